"""The first stage: names become a target and a network, and what cannot be is refused."""

from __future__ import annotations

from ensharpen_edge.export.draft import Draft
from ensharpen_edge.export.graph.lint import check_exportable
from ensharpen_edge.export.precision import find_precision
from ensharpen_edge.export.request import ExportRequest
from ensharpen_edge.export.targets.registry import find_target
from ensharpen_edge.imaging.photo_folder import photo_files
from ensharpen_edge.models.student_network import find_network
from ensharpen_edge.progress import Progress


def resolve(request: ExportRequest, progress: Progress) -> Draft:
    """Return the draft of a request for one precision.

    Raises:
        UsageError, MissingToolError, IntegrityError, BadInputError: The export could not start.
    """
    target = find_target(request.target)
    (precision,) = request.precisions
    target.check_available()
    network = find_network(request.model)
    size = request.size or target.default_size
    check_exportable(network, size)
    for folder in request.data:
        photo_files(folder)  # the gate comes last, and a mistyped folder should not
    return Draft(request, target, find_precision(precision), network, size, request.out, progress)
