"""Export: conversion stages, the parity ladder, the release gate, and one file per target."""
