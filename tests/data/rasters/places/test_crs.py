import numpy as np
from pyproj import CRS

from data.rasters.places.crs import crs_name, crs_text, crs_way, same_crs
from tests.data.rasters.raster_files import UTM


def test_systems_are_compared_by_what_they_mean():
    wkt = CRS.from_epsg(32640).to_wkt()
    own = CRS.from_epsg(32640).to_wkt("WKT1_ESRI")  # without a code
    assert same_crs(UTM, wkt)
    assert same_crs(wkt, own)
    assert not same_crs(UTM, "EPSG:32639")
    assert same_crs("EPSG:4326", "OGC:CRS84")
    assert not same_crs(UTM, None)
    assert same_crs(None, "")
    assert crs_text(wkt) == UTM
    assert (crs_name(wkt), crs_name(None)) == (UTM, "no CRS")
    assert crs_way(UTM, own)(np.array([1.0]), np.array([2.0])) == (1.0, 2.0)
