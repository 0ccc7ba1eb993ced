"""Months closed over HTTP behind a real nginx that knows its people by password."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from click.testing import CliRunner

from pipelines.cli import tieout
from tests.office import PEOPLE, Office, opened
from tests.unit.test_engine_locks import SEPTEMBER, paid
from tieout.audit.verify import verify
from tieout.close.history import history
from tieout.close.identity import SECRET, Gate
from tieout.close.settings import Closing
from tieout.close.web import Closings
from tieout.errors import ConfigurationError
from tieout.events.refused import Refused
from tieout.events.server import configured
from tieout.locks import locks

CANARY = "canary-" + "s" * 32
HEADER = "X-Remote-User"
MONTH = "/v1/close/A/2026-09"
NGINX = """
{user}
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    auth_basic "closing"; auth_basic_user_file {folder}/people;
    location / {{
      proxy_pass http://127.0.0.1:{behind};
      proxy_set_header X-Remote-User $remote_user;
      proxy_set_header X-Tieout-Proxy {secret};
    }}
  }}
}}
"""


@dataclass
class Desk:
    """A month to close, and where it is closed: through the proxy, or past it."""

    office: Office
    behind: int
    proxy: int | None = None

    def ask(
        self, path: str, body: Any = None, by: str | None = None, **headers: str
    ) -> tuple[int, Any]:
        """Through the proxy with a password, else straight with the headers given."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if by is not None:
            sent["Authorization"] = f"Basic {base64.b64encode(f'{by}:{by}-pw'.encode()).decode()}"
        return self.send(self.behind if by is None else self.proxy or 0, path, body, sent)

    def send(
        self, port: int, path: str, body: Any, headers: dict[str, str], *more: tuple[str, str]
    ) -> tuple[int, Any]:
        """One request; `more` are headers that may be there already."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        connection.putrequest("GET" if body is None else "POST", path)
        data = b"" if body is None else json.dumps(body).encode()
        given = {"Content-Type": "application/json", "Content-Length": str(len(data))} | headers
        for name, value in [*given.items(), *more]:
            connection.putheader(name, value)
        connection.endheaders(data)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, json.loads(text) if text.startswith(("{", "[")) else text

    def act(self, act: str, by: str, **more: Any) -> tuple[int, Any]:
        """An act on what is shown."""
        _, shown = self.ask(MONTH, by=by)
        sha256 = shown["package_sha256"] or shown["draft"]["package_sha256"]
        return self.ask(f"{MONTH}/{act}", {"package_sha256": sha256, **more}, by=by)


def running(office: Office) -> Iterator[Desk]:
    gate = Gate(["127.0.0.1/32"], office.workplace.settings.close, CANARY)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(configured(Closings(office.workplace, gate)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield Desk(office, listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(timeout=60)
        listening.close()
        assert not thread.is_alive()


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Desk]:
    url = f"sqlite:///{tmp_path / 'register.db'}"
    with opened(url, identity_header=HEADER) as office:
        office.accept_breaks()
        yield from running(office)


@pytest.fixture
def desk(behind: Desk, nginx: str, tmp_path: Path) -> Iterator[Desk]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    people = [*PEOPLE, "stranger"]
    (tmp_path / "people").write_text("".join(f"{one}:{{PLAIN}}{one}-pw\n" for one in people))
    user = "user root;" if os.geteuid() == 0 else ""  # its workers have to read the passwords
    settings = NGINX.format(
        user=user, folder=tmp_path, port=port, behind=behind.behind, secret=CANARY
    )
    (tmp_path / "nginx.conf").write_text(settings)
    told = (tmp_path / "told").open("wb")
    command = [nginx, "-p", str(tmp_path), "-e", str(tmp_path / "error.log")]
    process = subprocess.Popen([*command, "-c", str(tmp_path / "nginx.conf")], stderr=told)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        behind.proxy = port
        yield behind
    finally:
        process.terminate()
        process.wait(timeout=30)
        told.close()


def test_a_month_is_closed_and_reopened_by_persons_the_proxy_knows(desk: Desk) -> None:
    code, shown = desk.ask(MONTH, by="eve@example.com")
    assert (code, shown["state"], shown["draft"]["obstacles"]) == (200, "open", [])
    sha256 = shown["draft"]["package_sha256"]
    # What is shown is what is signed: the package's own bytes have the hash.
    _, package = desk.ask(f"{MONTH}/package", by="eve@example.com")
    again = json.dumps(package, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n"
    assert hashlib.sha256(again.encode()).hexdigest() == sha256
    assert package["statements"]
    code, refused = desk.act("prepare", "ada@example.com")
    assert (code, refused["reason"]) == (403, "not_allowed")
    code, done = desk.act("prepare", "pia@example.com")
    assert (code, done["act"], done["who"], done["proven_by"]) == (
        200,
        "prepare",
        "Preparer",
        "proxy",
    )
    code, refused = desk.act("approve", "pia-laptop")  # another name of the same person
    assert (code, "somebody else has to approve" in refused["detail"]) == (403, True)
    code, done = desk.act("approve", "ada@example.com")
    assert (code, done["package_sha256"]) == (200, sha256)
    assert [one.package_sha256 for one in locks(desk.office.workplace.register)] == [sha256]
    code, refused = desk.act("prepare", "pia@example.com")
    assert (code, refused["reason"]) == (409, "refused")
    assert desk.act("reopen", "ada@example.com")[0] == 409, "without a reason"
    assert desk.act("reopen", "ada@example.com", reason="wrong rate")[1]["act"] == "ask_reopen"
    assert desk.act("reopen", "ada@example.com", reason="wrong rate")[0] == 409, "the same person"
    assert desk.act("reopen", "bob@example.com", reason="agreed")[1]["act"] == "reopen"
    assert locks(desk.office.workplace.register) == []
    (september,) = (m for m in desk.ask("/v1/close", by="bob@example.com")[1] if m["entity"] == "A"
                    and m["month"] == "2026-09")  # fmt: skip
    assert (september["state"], september["act"]) == ("open", "reopen")
    assert verify(desk.office.workplace).findings == ()


def test_the_proxys_name_counts_and_no_other(desk: Desk) -> None:
    assert desk.ask(MONTH, by="stranger")[1]["reason"] == "unknown_person"
    basic = base64.b64encode(b"pia@example.com:guessed").decode()
    wrong = {"Authorization": f"Basic {basic}"}
    assert desk.send(desk.proxy or 0, MONTH, None, wrong)[0] == 401
    # A client that brings its own header is still who the proxy says.
    brought = {"X_Remote_User": "ada@example.com"}
    assert desk.act("prepare", "eve@example.com")[0] == 200
    _, shown = desk.ask(MONTH, by="eve@example.com")
    body = {"package_sha256": shown["package_sha256"]}
    code, refused = desk.ask(f"{MONTH}/approve", body, by="eve@example.com", **brought)
    assert (code, refused["reason"]) == (403, "not_allowed")
    code, _ = desk.ask(f"{MONTH}/approve", body, by="eve@example.com", x_tieout_proxy="guess")
    assert code == 403
    assert len(history(desk.office.workplace.register, "A", SEPTEMBER)) == 1


NAMED, SHOWN = (HEADER, "pia@example.com"), ("X-Tieout-Proxy", CANARY)
PAST = {
    "nothing": ([], 403, "not_proxy"),
    "a name alone": ([NAMED], 403, "not_proxy"),
    "another secret": ([NAMED, ("X-Tieout-Proxy", CANARY[:-1])], 403, "not_proxy"),
    "the secret twice": ([NAMED, SHOWN, SHOWN], 403, "not_proxy"),
    "the secret alone": ([SHOWN], 401, "no_identity"),
    "two names": ([SHOWN, NAMED, (HEADER, "ada@example.com")], 401, "no_identity"),
    "the name twice": ([SHOWN, NAMED, NAMED], 401, "no_identity"),
    "an empty name": ([SHOWN, (HEADER, "")], 401, "no_identity"),
    "two names in one": ([SHOWN, (HEADER, "pia@example.com,ada")], 401, "no_identity"),
    "a name with a line end": ([SHOWN, (HEADER, "pia@example.com%0a")], 401, "no_identity"),
    "a stranger": ([SHOWN, (HEADER, "mallory")], 403, "unknown_person"),
}


def test_past_the_proxy_nothing_is_answered(behind: Desk) -> None:
    for told, (headers, status, reason) in PAST.items():
        for path, body in ((MONTH, None), (f"{MONTH}/prepare", {}), ("/openapi.json", None)):
            code, refused = behind.send(behind.behind, path, body, {}, *headers)
            assert (code, refused["reason"]) == (status, reason), told
            assert CANARY not in json.dumps(refused)
    code, _ = behind.send(behind.behind, MONTH, None, {}, SHOWN, NAMED)
    assert code == 200, "the same with both"


def test_another_address_is_no_proxy() -> None:
    closing = Closing.model_validate({"identity_header": HEADER, "people": PEOPLE})
    gate = Gate(["10.0.0.5"], closing, CANARY)
    headers = [(n.encode(), v.encode()) for n, v in (NAMED, SHOWN)]
    for peer in ("10.0.0.6", "::1", "", "::ffff:10.0.0.6"):
        with pytest.raises(Refused, match="not_proxy"):
            gate.caller(peer, headers)
    assert gate.caller("10.0.0.5", headers).principal == "pia@example.com"
    assert gate.caller("::ffff:10.0.0.5", headers).principal == "pia@example.com"


WRONG: dict[str, tuple[Any, dict[str, str], int]] = {
    "no package": ({}, {}, 400),
    "no sha256": ({"package_sha256": "x"}, {}, 400),
    "more than is asked for": ({"package_sha256": "0" * 64, "by": "ada"}, {}, 400),
    "a number for a switch": ({"package_sha256": "0" * 64, "accept_deliveries": 1}, {}, 400),
    "no object": ([], {}, 400),
    "another package": ({"package_sha256": "0" * 64}, {}, 409),
    "a form": ({"package_sha256": "0" * 64}, {"Content-Type": "text/plain"}, 415),
}


def test_what_is_asked_wrongly_changes_nothing(behind: Desk) -> None:
    def send(path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
        return behind.send(behind.behind, path, body, headers, SHOWN, NAMED)

    for told, (body, headers, status) in WRONG.items():
        assert send(f"{MONTH}/prepare", body, headers)[0] == status, told
    for path in ("/v1/close/X/2026-09", "/v1/close/A/2026-13", "/v1/close/A/2026-09-01", "/v1/x",
                 "/v1/closed", f"{MONTH}/delete", f"{MONTH}/prepare/"):  # fmt: skip
        assert send(path, None, {})[0] == 404, path
    assert send(MONTH, {}, {})[0] == 405
    assert send(f"{MONTH}/prepare", None, {})[0] == 405
    behind.office.world.deliver({("psp", "2026-09-12"): [paid("z", "7", "2026-09-12")]})
    behind.office.run()
    _, shown = send(MONTH, None, {})
    sha256 = shown["draft"]["package_sha256"]
    code, refused = send(f"{MONTH}/prepare", {"package_sha256": sha256}, {})
    assert (code, [one["code"] for one in refused["obstacles"]]) == (409, ["undecided"])
    assert history(behind.office.workplace.register, "A", SEPTEMBER) == []


def test_figures_that_change_under_an_approval_void_it(behind: Desk) -> None:
    def send(path: str, body: Any, name: str) -> tuple[int, Any]:
        return behind.send(behind.behind, path, body, {HEADER: name}, SHOWN)

    _, shown = send(MONTH, None, "pia@example.com")
    body = {"package_sha256": shown["draft"]["package_sha256"]}
    assert send(f"{MONTH}/prepare", body, "pia@example.com")[0] == 200
    behind.office.world.deliver({("psp", "2026-09-12"): [paid("z", "7", "2026-09-12")]})
    code, refused = send(f"{MONTH}/approve", body, "ada@example.com")
    assert (code, "is not what was prepared" in refused["detail"]) == (409, True)
    assert send(MONTH, None, "ada@example.com")[1]["state"] == "open"


def test_it_keeps_to_its_own_description(behind: Desk, component: Callable[..., Any]) -> None:
    schemathesis, hypothesis = component("schemathesis"), component("hypothesis")
    named = dict((NAMED, SHOWN))
    root = f"http://127.0.0.1:{behind.behind}"
    schema = schemathesis.openapi.from_url(f"{root}/openapi.json", headers=named)
    seen: set[int] = set()
    for found in schema.get_all_operations():

        @hypothesis.given(case=found.ok().as_strategy())
        @hypothesis.settings(max_examples=8, deadline=None, derandomize=True, database=None,
                             suppress_health_check=list(hypothesis.HealthCheck))  # fmt: skip
        def holds(case: Any) -> None:
            seen.add(case.call_and_validate(headers=named).status_code)
            if case.path_parameters:
                case.path_parameters = {"entity": "A", "month": "2026-09"}
                seen.add(case.call_and_validate(headers=named).status_code)

        holds()
    assert {200, 404, 409} <= seen


def test_it_starts_only_with_all_that_proves_who_asks(
    behind: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing = behind.office.workplace.settings.close
    monkeypatch.delenv(SECRET, raising=False)
    with pytest.raises(ConfigurationError, match=SECRET):
        Gate(["127.0.0.1"], closing)
    monkeypatch.setenv(SECRET, "short")
    with pytest.raises(ConfigurationError, match="32 characters"):
        Gate(["127.0.0.1"], closing)
    monkeypatch.setenv(SECRET, CANARY)
    Gate(["127.0.0.1"], closing)
    for without in ({"identity_header": None}, {"people": {}}):
        with pytest.raises(ConfigurationError):
            Gate(["127.0.0.1"], closing.model_copy(update=without))
    asked = CliRunner().invoke(tieout, ["close", "serve"])
    assert (asked.exit_code, "--proxy-mode" in asked.output) == (2, True)
