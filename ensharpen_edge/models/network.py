"""Students and teachers behind one door: from a configuration, or its JSON form, to a network."""

from __future__ import annotations

from typing import Any

from ensharpen_edge.errors import UsageError
from ensharpen_edge.models.config import StudentConfig, fields_from_dict
from ensharpen_edge.models.student import Student
from ensharpen_edge.models.teacher import Teacher, TeacherConfig

NetworkConfig = StudentConfig | TeacherConfig
Network = Student | Teacher


def build_network(config: NetworkConfig) -> Network:
    """A network with fresh weights."""
    return Teacher(config) if isinstance(config, TeacherConfig) else Student(config)


def config_from_dict(data: Any) -> NetworkConfig:  # noqa: ANN401 (whatever a JSON file holds)
    """Build from a configuration's `to_dict` output.

    Raises:
        UsageError: Unknown or missing fields.
    """
    if isinstance(data, dict) and data.get("family") == "teacher":
        fields = {key: value for key, value in data.items() if key != "family"}
        return fields_from_dict(TeacherConfig, fields)
    return StudentConfig.from_dict(data)


def require_student(network: Network) -> Student:
    """The network, if it can be folded and exported.

    Raises:
        UsageError: It is a teacher.
    """
    if isinstance(network, Student):
        return network
    raise UsageError(
        f"{network.config.name!r} is a teacher: it is made to teach, not to be exported",
        hint="distil a student from it",
    )
