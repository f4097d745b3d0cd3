"""cubeflight: the Python client, of a server that is a process of its own."""

from __future__ import annotations

import cubeflight

from ..places import ASSETS
from .common import Cube, run


def search(client: cubeflight.Client, job: dict, area: list[float] | None, dates: str) -> Cube:
    """One area."""
    found = client.search(**asked(job, dates), bounds=area).load()
    check(found)
    return {asset: [found.datatree[ASSETS[asset][2]].values] for asset in job["columns"]}


def search_many(client: cubeflight.Client, job: dict, dates: str) -> Cube:
    """Many areas, as one plan."""
    found = client.search(**asked(job, dates), windows=job["areas"]).load()
    check(found)
    return {
        asset: [cube.datatree[ASSETS[asset][2]].values for cube in found.cubes]
        for asset in job["columns"]
    }


def asked(job: dict, dates: str) -> dict:
    """What is the same for all areas."""
    more = {"reduce": job["reduce"]} if job["reduce"] else {}
    return {"tile": job["tile"], "datetime": dates, "bands": list(job["columns"]), **more}


def check(found: cubeflight.Cube | cubeflight.Cubes) -> None:
    """Everything was read."""
    if found.errors or found.missing:
        raise RuntimeError(f"not read: {found.errors} {found.missing}")


def read(client: cubeflight.Client, job: dict, dates: str) -> Cube:
    """All areas."""
    if len(job["areas"]) == 1:
        return search(client, job, job["areas"][0], dates)
    return search_many(client, job, dates)


def prepare(job: dict) -> cubeflight.Client:
    """Connects; reads dates that are not measured, by which the server gets to know its store.
    Where the repeat is what is measured, the job itself is read once."""
    client = cubeflight.connect(job["server"])
    search(client, job, job["warm_area"], job["warm_dates"])
    if job["repeat"]:
        read(client, job, job["dates"])
    return client


def work(job: dict, client: cubeflight.Client) -> Cube:
    """The cube."""
    return read(client, job, job["dates"])


if __name__ == "__main__":
    run(prepare, work)
