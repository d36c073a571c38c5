"""A config file of any format: found, read, checked, and made into what keepers are given."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from monit_agent.config.app import Launch
from monit_agent.config.errors import TargetNotFoundError
from monit_agent.config.files.entries import AppEntry
from monit_agent.config.files.faults import (
    ConfigFaultsError,
    Fault,
    Place,
    did_you_mean,
    in_order,
    shown_path,
)
from monit_agent.config.files.launching import EntryLauncher
from monit_agent.config.files.start_order import order_faults
from monit_agent.config.formats.native import NativeConfig
from monit_agent.config.formats.pm2 import Pm2Config
from monit_agent.config.formats.process_compose import ProcessComposeConfig, is_process_compose
from monit_agent.config.formats.procfile import ProcfileConfig
from monit_agent.config.formats.supervisor import SupervisorConfig


class ConfigSource(Protocol):
    """A file of any format, read once."""

    faults: list[Fault]
    notes: list[Fault]
    """What has no effect here, and is no fault."""

    def profiles(self) -> set[str]:
        """Return the names of all profiles."""
        ...

    def entries(self, profile: str | None) -> list[AppEntry]:
        """Return the apps with the values of a profile."""
        ...


class Config(NamedTuple):
    """What a file has, for one profile."""

    path: str
    entries: list[AppEntry]
    faults: list[Fault]
    notes: list[Fault]
    profiles: list[str]
    """Names of all profiles, sorted."""


def open_config(path: str, environ: Mapping[str, str]) -> ConfigSource:
    """Read the file at the absolute ``path``; its name selects the format."""
    name = os.path.basename(path)
    if name.endswith(".toml"):
        return NativeConfig(path)
    if name == "Procfile" or name.startswith("Procfile."):
        return ProcfileConfig(path)
    return Pm2Config(path, environ)


def open_foreign(path: str, environ: Mapping[str, str]) -> ConfigSource:
    """Read a file of any program that `monit config import` knows, or one of monit's own."""
    name = os.path.basename(path)
    if name.endswith((".conf", ".ini")):
        return SupervisorConfig(path, environ)
    if name.endswith((".yaml", ".yml")) and is_process_compose(path):
        return ProcessComposeConfig(path)
    return open_config(path, environ)


def read_config(path: str, profile: str | None, environ: Mapping[str, str]) -> Config:
    """Return the apps of the file at the absolute ``path``; what is wrong is in ``faults``."""
    return _select(open_config(path, environ), path, profile)


def _select(source: ConfigSource, path: str, profile: str | None) -> Config:
    entries, profiles, faults = source.entries(profile), sorted(source.profiles()), source.faults
    if not entries and not faults:
        faults = [Fault(Place(path), "there is no app in this file; write [apps.NAME]")]
    if profile is not None and profile not in profiles:
        faults = [*faults, Fault(Place(path), _no_profile(profile, profiles))]
    faults = [*faults, *order_faults(entries)]
    return Config(path, entries, in_order(faults), in_order(source.notes), profiles)


def make_launches(
    config: Config,
    environ: Mapping[str, str],
    names: Iterable[str] = (),
    extra: Mapping[str, Any] | None = None,
) -> list[Launch]:
    """Return what the keepers of the apps are given; of those called ``names``, if there are any.

    ``extra`` are settings of the command line, which win over the file. Raise `ConfigFaultsError`
    with all faults of the file, `TargetNotFoundError` for a name that it does not have.
    """
    faults = list(config.faults)
    launches: list[Launch] = []
    for entry in _chosen(config, list(names)):
        launcher = EntryLauncher(entry, extra or {}, environ)
        launch = launcher.launch()
        faults += launcher.faults
        if launch is not None:
            spec = launch.spec._replace(origin_file=config.path)
            launches.append(launch._replace(spec=spec))
    if faults:
        raise ConfigFaultsError(faults)
    return launches


def check_config(path: str, profile: str | None, environ: Mapping[str, str]) -> Config:
    """Return the config for ``profile``; without one, all profiles are checked too.

    Raise `ConfigFaultsError` with all faults.
    """
    source = open_config(path, environ)
    config = _select(source, path, profile)
    faults = list(config.faults)
    every = [None, *config.profiles] if profile is None else [profile]
    for each in every:
        try:
            make_launches(_select(source, path, each), environ)
        except ConfigFaultsError as error:
            faults += error.faults
    if faults:
        raise ConfigFaultsError(faults)
    return config


def _chosen(config: Config, names: list[str]) -> list[AppEntry]:
    """Return the entries with these names; all when the file has faults already."""
    known = [entry.name for entry in config.entries]
    for name in names:
        if name not in known and not config.faults:
            shown = ", ".join(known[:8]) + (" …" if len(known) > 8 else "")
            raise TargetNotFoundError(
                f"{shown_path(config.path)} has no app {name!r}; it has {shown}"
                f"{did_you_mean(name, known)}"
            )
    return [entry for entry in config.entries if not names or entry.name in names]


def _no_profile(profile: str, profiles: list[str]) -> str:
    known = f"profiles: {', '.join(profiles)}" if profiles else "this file defines none"
    return f"there is no profile {profile!r}; {known}{did_you_mean(profile, profiles)}"
