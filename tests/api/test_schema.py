"""Whatever may be asked by the OpenAPI document is answered as it says, and never by a fault of ours.

Requests are drawn from the document itself (schemathesis): ones that it allows, and ones that break one of its rules.
They go with the node's key, so that they get past the guard; what a principal may see is tested elsewhere.
"""

import sys
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.docs import SCHEMA_PATH
from bench.machine import REPOSITORY
from bench.servers import ChildServer

EXAMPLES = 8
"""Of each operation, drawn the same way in every run."""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ENDLESS = "text/event-stream"
"""An answer that goes on until somebody hangs up is tested where it is followed."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildServer]:
    """The whole program, with a few cars, so that there is something to answer with."""
    command = [sys.executable, str(REPOSITORY / "carillon.py"), "up", "--demo"]
    environment = {"CARILLON_HTTP": "127.0.0.1:0", "CARILLON_DEMO_VEHICLES": "8", "CARILLON_DEMO_HISTORY_H": "1"}
    with ChildServer(command, tmp_path_factory.mktemp("schema") / "data", environment=environment) as server:
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="module")
def operations(server: ChildServer) -> list[APIOperation]:
    """Every operation of the document."""
    schema = schemathesis.openapi.from_url(f"http://{server.http}{SCHEMA_PATH}")
    found = [result.ok() for result in schema.get_all_operations()]
    return [one for one in found if not _is_endless(one)]


def _is_endless(operation: APIOperation) -> bool:
    answers = operation.definition.raw["responses"].values()
    return any(ENDLESS in answer.get("content", {}) for answer in answers)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["allowed", "broken"])
def test_every_operation_answers_as_the_document_says(
    server: ChildServer, operations: list[APIOperation], mode: GenerationMode
) -> None:
    key = (server.data / "run" / "api.key").read_text().strip()
    assert len(operations) > 30
    faults = []
    for operation in operations:
        try:
            _try_out(operation, mode, key)
        except Unsatisfiable:
            assert mode == GenerationMode.NEGATIVE, operation.label  # nothing of it can be broken
        except FailureGroup as group:
            faults += [f"{operation.label}: {fault}" for fault in group.exceptions]
    assert not faults, "\n\n".join([*faults, server.log_end(60)])


def _try_out(operation: APIOperation, mode: GenerationMode, key: str) -> None:
    """Send requests of one operation; raises an ExceptionGroup of what was answered wrong."""

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def one(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        answer = case.call(headers={"Authorization": f"Bearer {key}"}, timeout=20)
        case.validate_response(answer, checks=CHECKS)

    one()
