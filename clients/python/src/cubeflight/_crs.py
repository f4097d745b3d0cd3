"""CF grid mapping of a UTM zone on WGS 84, without a PROJ library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._errors import ProtocolError

_DEGREE = 'ANGLEUNIT["degree",0.0174532925199433]'
_METRE = 'LENGTHUNIT["metre",1]'
_UNITY = 'SCALEUNIT["unity",1]'


def grid_mapping(epsg: int, transform: tuple[float, ...]) -> dict[str, Any]:
    """Attributes of `spatial_ref` for EPSG:326zz (north) and EPSG:327zz (south)."""
    name, meridian, northing = _zone(epsg)
    a, b, c, d, e, f = transform[:6]
    return {
        "crs_wkt": _wkt(name, epsg, meridian, northing),
        "spatial_ref": f"EPSG:{epsg}",
        "epsg_code": f"EPSG:{epsg}",
        "projected_crs_name": name,
        "geographic_crs_name": "WGS 84",
        "horizontal_datum_name": "World Geodetic System 1984",
        "reference_ellipsoid_name": "WGS 84",
        "semi_major_axis": 6378137.0,
        "inverse_flattening": 298.257223563,
        "prime_meridian_name": "Greenwich",
        "longitude_of_prime_meridian": 0.0,
        "grid_mapping_name": "transverse_mercator",
        "latitude_of_projection_origin": 0.0,
        "longitude_of_central_meridian": meridian,
        "scale_factor_at_central_meridian": 0.9996,
        "false_easting": 500000.0,
        "false_northing": northing,
        "GeoTransform": " ".join(f"{number:.17g}" for number in (c, a, b, f, d, e)),
    }


def wkt(epsg: int) -> str:
    """WKT 2 of EPSG:326zz (north) and EPSG:327zz (south)."""
    name, meridian, northing = _zone(epsg)
    return _wkt(name, epsg, meridian, northing)


def _zone(epsg: int) -> tuple[str, float, float]:
    """Name, central meridian and false northing of a UTM zone."""
    zone, south = epsg % 100, epsg // 100 == 327
    if epsg // 100 not in (326, 327) or not 1 <= zone <= 60:
        raise ProtocolError(f"EPSG:{epsg} is not a UTM zone on WGS 84")
    name = f"WGS 84 / UTM zone {zone}{'S' if south else 'N'}"
    return name, 6.0 * zone - 183.0, 10_000_000.0 if south else 0.0


def _wkt(name: str, epsg: int, meridian: float, northing: float) -> str:
    def parameter(label: str, value: float, unit: str, code: int) -> str:
        return f'PARAMETER["{label}",{value:.10g},{unit},ID["EPSG",{code}]]'

    parameters = ",".join(
        (
            parameter("Latitude of natural origin", 0.0, _DEGREE, 8801),
            parameter("Longitude of natural origin", meridian, _DEGREE, 8802),
            parameter("Scale factor at natural origin", 0.9996, _UNITY, 8805),
            parameter("False easting", 500000.0, _METRE, 8806),
            parameter("False northing", northing, _METRE, 8807),
        )
    )
    return (
        f'PROJCRS["{name}",BASEGEOGCRS["WGS 84",DATUM["World Geodetic System 1984",'
        f'ELLIPSOID["WGS 84",6378137,298.257223563,{_METRE}]],'
        f'PRIMEM["Greenwich",0,{_DEGREE}],ID["EPSG",4326]],'
        f'CONVERSION["{name.removeprefix("WGS 84 / ")}",'
        f'METHOD["Transverse Mercator",ID["EPSG",9807]],{parameters}],'
        f'CS[Cartesian,2],AXIS["(E)",east,ORDER[1],{_METRE}],'
        f'AXIS["(N)",north,ORDER[2],{_METRE}],ID["EPSG",{epsg}]]'
    )


def place(epsg: int, transform: Sequence[float], rows: int, width: int) -> dict[str, Any]:
    """Where a window lies, in the words of EOPF that the schema does not repeat."""
    a, _, c, _, e, f = transform[:6]
    return {
        "proj:bbox": [c, f + rows * e, c + width * a, f],
        "proj:wkt2": wkt(epsg),
    }
