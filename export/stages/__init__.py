"""Stages of an export: functions from a draft to a draft that knows more, or an error."""
