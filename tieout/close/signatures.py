"""Signatures of persons: made and checked by OpenSSH's `ssh-keygen -Y`, over a text that says all.

A signature is of one act on one month of one entity, on one package, after one other signature. So
none can be used again: not for another act, month or package, nor once something else was signed.
Format: SSHSIG (OpenSSH, PROTOCOL.sshsig), namespace `tieout-close`.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tieout.errors import ConfigurationError, RequestError

NAMESPACE = "tieout-close"
_SECONDS = 120
"""A person may have to touch a key or type its passphrase."""


def text_to_sign(
    act: str, company: str, entity: str, month: str, package_sha256: str, after: str, reason: str
) -> str:
    """What a person signs; `after` names the act on the month before this one, or is a dash."""
    return (
        f"Tieout close\nact: {act}\ncompany: {company}\nentity: {entity}\nmonth: {month}\n"
        f"package: {package_sha256}\nafter: {after}\nreason: {' '.join(reason.split()) or '-'}\n"
    )


def named_after(number: int | None, proof: str | None) -> str:
    """How a text names the act before it, by its number and its proof: no two are named alike."""
    if number is None:
        return "-"
    return f"{number} {hashlib.sha256((proof or '').encode()).hexdigest()}"


def sign(text: str, key: Path) -> str:
    """Sign a text with a private key, or with the agent's where `key` is a public one.

    Raises RequestError where ssh-keygen cannot.
    """
    done = _run(["-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(key)], text)
    if done.returncode:
        raise RequestError(
            f"{key} did not sign: {_said(done)}", "name the key that is in the allowed signers"
        )
    return done.stdout


def signer(text: str, signature: str, allowed: Path | None, at: datetime) -> str:
    """The principal whose key signed a text, if it was allowed to at that moment.

    Raises RequestError for a signature of another text or of a key that is not allowed, and
    ConfigurationError where no allowed signers are configured.
    """
    if allowed is None or not allowed.is_file():
        raise ConfigurationError(
            f"there is no file of allowed signers{'' if allowed is None else f' at {allowed}'}",
            "write one as `man ssh-keygen` says under ALLOWED SIGNERS, and name it",
            "close.allowed_signers",
        )
    moment = f"-Overify-time={at.astimezone(UTC):%Y%m%d%H%M%SZ}"
    with tempfile.TemporaryDirectory(prefix="tieout-close-") as folder:
        file = Path(folder) / "signature"
        file.write_text(signature, encoding="utf-8")
        common = ["-s", str(file), "-f", str(allowed), moment]
        found = _run(["-Y", "find-principals", *common], "")
        for principal in found.stdout.split("\n") if found.returncode == 0 else ():
            told = ["-Y", "verify", "-n", NAMESPACE, "-I", principal, *common]
            if principal and _run(told, text).returncode == 0:
                return principal
    known = found.returncode == 0
    raise RequestError(
        "the signature is not of this text" if known else "the key that signed is not allowed",
        "sign what `tieout close text` prints now, unchanged"
        if known
        else f"add it to {allowed}, or sign with a key that is there and valid",
    )


def _run(arguments: Sequence[str], given: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise RequestError("ssh-keygen is not installed", "install it (Debian: openssh-client)")
    try:
        return subprocess.run(  # noqa: S603 - a fixed program, no shell
            [program, *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RequestError(
            f"ssh-keygen did not answer within {_SECONDS} seconds", "is a key waiting for a touch?"
        ) from None


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join(done.stderr.split()) or f"exit code {done.returncode}"
