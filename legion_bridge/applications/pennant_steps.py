"""PENNANT's launches over the mesh, as a table: what each reads, writes and computes."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FIELDS", "FIRST_STATE", "STEPS", "TOPOLOGY", "Step"]

_ZONE_SCALARS = """
zareap zarea zvol0 zvolp zvol zdl zm zrp zr ze zetot zw zwrate zp zss zdu z0tmp
"""
_SIDE_SCALARS = "sareap sarea smf elen carea cevol cdu cdiv ccos svolp svol"


def _of(size: int, names: str) -> dict[str, int]:
    return dict.fromkeys(names.split(), size)


# Bytes of each field. A vector (16) consists of x and y; a pointer (8, 9) carries a tag where it
# may point into two regions. Dead fields (pap, svolp, svol, ssurfp) take room.
FIELDS: dict[str, dict[str, int]] = {
    "rz_all": _of(8, _ZONE_SCALARS) | _of(16, "zxp zx zuc") | _of(1, "znump"),
    "rp_all": _of(16, "px0 pxp px pu0 pu pf pap") | _of(8, "pmaswt") | _of(1, "has_bcx has_bcy"),
    "rs_all": _of(9, "mapsp1 mapsp2")
    | _of(8, "mapsz mapss3 mapss4")
    | _of(8, _SIDE_SCALARS)
    | _of(16, "sfp sft sfq exp ex cqe1 cqe2 ssurfp"),
}


class Step(NamedTuple):
    """An index launch over the strips.

    Attributes:
        task: Its name.
        flops: Operations for each of its elements: points in tasks over points alone (partition
            ``P`` or ``O`` first), sides where it has them, zones else.
        kernels: GPU kernels.
        bytes: Compulsory traffic for each zone, point and side.
        requirements: Of each, in order, the privilege and fields; first zones (Z), sides (S), or
            points: private ones (P), shared ones that the strip owns (O) or touches (G).
        clocked: Whether it takes the length of the time step.
    """

    task: str
    flops: int
    kernels: int
    bytes: tuple[int, int, int]
    requirements: str
    clocked: bool = False


MAPS = "mapsz mapsp1 mapsp2"
_ADV_POS_HALF = "{0} RO px pu, {0} RW px0 pxp pu0"
_BOUNDARY = "{0} RO has_bcx has_bcy, {0} RW pu0 pf"
_ADV_POS_FULL = "{0} RO px0 pu0 pf pmaswt, {0} RW px pu"
_CENTERS = f"Z RO znump, Z RW {{0}}, P RO {{1}}, G RO {{1}}, S RO {MAPS}, S RW {{2}}"
_VOLUMES = f"Z RO {{0}} znump, Z RW {{1}}, P RO {{2}}, G RO {{2}}, S RO {MAPS}, S RW {{3}}"

CENTERS_FULL = Step("calc_centers_full", 9, 2, (49, 16, 42), _CENTERS.format("zx", "px", "ex"))
VOLUMES_FULL = Step(
    "calc_volumes_full", 17, 2, (65, 16, 34), _VOLUMES.format("zx", "zarea zvol", "px", "sarea")
)
# The time step in program order; after the third of these comes calc_global_dt.
STEPS = (
    Step("init_step_points", 0, 3, (0, 24, 0), "P RW pf pmaswt"),
    Step("init_step_points", 0, 3, (0, 24, 0), "O RW pf pmaswt"),
    Step("init_step_zones", 0, 1, (16, 0, 0), "Z RO zvol, Z RW zvol0"),
    Step("adv_pos_half", 4, 2, (0, 80, 0), _ADV_POS_HALF.format("P"), clocked=True),
    Step("adv_pos_half", 4, 2, (0, 80, 0), _ADV_POS_HALF.format("O"), clocked=True),
    Step("calc_centers", 9, 2, (49, 16, 42), _CENTERS.format("zxp", "pxp", "exp")),
    Step(
        "calc_volumes",
        22,
        2,
        (65, 16, 42),
        _VOLUMES.format("zxp", "zareap zvolp", "pxp", "sareap elen"),
    ),
    Step(
        "calc_char_len",
        3,
        2,
        (25, 0, 24),
        "Z RO znump, Z RW zdl, P NA, G NA, S RO mapsz sareap elen",
    ),
    Step("calc_rho_half", 1, 1, (24, 0, 0), "Z RO zvolp zm, Z RW zrp"),
    Step(
        "sum_point_mass",
        5,
        1,
        (16, 16, 33),
        "Z RO zareap zrp, P RW pmaswt, G SUM pmaswt, S RO mapsz mapsp1 mapss3 smf",
    ),
    Step(
        "calc_state_at_half",
        30,
        1,
        (64, 0, 0),
        "Z RO zvol0 zvolp zm zr ze zwrate, Z RW zp zss",
        clocked=True,
    ),
    Step(
        "calc_force_pgas_tts",
        17,
        1,
        (48, 0, 72),
        "Z RO zxp zareap zrp zp zss, P NA, G NA, S RO mapsz sareap smf exp, S RW sfp sft",
    ),
    Step(
        "qcs_zone_center_velocity",
        5,
        2,
        (49, 16, 17),
        "Z RO znump, Z RW zuc, P RO pu, G RO pu, S RO mapsz mapsp1",
    ),
    Step(
        "qcs_corner_divergence",
        110,
        1,
        (32, 32, 98),
        f"Z RO zxp zuc, P RO pxp pu, G RO pxp pu, S RO {MAPS} mapss3 exp elen, "
        "S RW carea cevol cdu cdiv ccos",
    ),
    Step(
        "qcs_qcn_force",
        22,
        1,
        (16, 16, 98),
        f"Z RO zrp zss, P RO pu, G RO pu, S RO {MAPS} mapss3 elen cdiv cdu cevol, S RW cqe1 cqe2",
    ),
    Step(
        "qcs_force",
        25,
        1,
        (0, 0, 80),
        "Z NA, P NA, G NA, S RO mapss4 elen carea ccos cqe1 cqe2, S RW sfq",
    ),
    Step(
        "qcs_vel_diff",
        10,
        3,
        (40, 32, 34),
        f"Z RO zss, Z RW zdu z0tmp, P RO pxp pu, G RO pxp pu, S RO {MAPS} elen",
    ),
    Step(
        "sum_point_force",
        8,
        1,
        (0, 32, 57),
        "Z RO znump, P RW pf, G SUM pf, S RO mapsz mapsp1 mapss3 sft sfq",
    ),
    Step("apply_boundary_conditions", 0, 1, (0, 2, 0), _BOUNDARY.format("P")),
    Step("apply_boundary_conditions", 0, 1, (0, 2, 0), _BOUNDARY.format("O")),
    Step("adv_pos_full", 17, 1, (0, 88, 0), _ADV_POS_FULL.format("P"), clocked=True),
    Step("adv_pos_full", 17, 1, (0, 88, 0), _ADV_POS_FULL.format("O"), clocked=True),
    CENTERS_FULL,
    VOLUMES_FULL,
    Step(
        "calc_work",
        24,
        2,
        (48, 48, 58),
        f"Z RO znump, Z RW zetot zw, P RO pxp pu0 pu, G RO pxp pu0 pu, S RO {MAPS} sfp sfq",
        clocked=True,
    ),
    Step(
        "calc_work_rate_energy_rho_full",
        7,
        1,
        (72, 0, 0),
        "Z RO zvol0 zvol zm zetot zw zp, Z RW zr ze zwrate",
        clocked=True,
    ),
    Step("calc_dt_hydro", 8, 2, (40, 0, 0), "Z RO zvol0 zvol zdl zss zdu", clocked=True),
)
# What makes the mesh, on the host; then the first state, on the GPUs.
TOPOLOGY = (
    Step(
        "initialize_topology",
        0,
        1,
        (0, 0, 0),
        f"Z RW znump, P RW px has_bcx has_bcy, O RW px has_bcx has_bcy, G NA, "
        f"S RW {MAPS} mapss3 mapss4",
    ),
    Step("init_pointers", 0, 1, (0, 0, 0), "Z NA, P NA, G NA, S RW mapsp1 mapsp2"),
)
FIRST_STATE = (
    Step("init_mesh_zones", 0, 1, (32, 0, 0), "Z RW zx zarea zvol"),
    CENTERS_FULL,
    VOLUMES_FULL,
    Step(
        "init_side_fracs", 1, 1, (8, 0, 24), "Z RO zarea, P NA, G NA, S RO mapsz sarea, S RW smf"
    ),
    Step("init_hydro", 4, 1, (64, 0, 0), "Z RO zx zvol, Z RW zm zr ze zetot zwrate"),
    Step("init_radial_velocity", 4, 1, (0, 32, 0), "P RO px, P RW pu"),
    Step("init_radial_velocity", 4, 1, (0, 32, 0), "O RO px, O RW pu"),
)
