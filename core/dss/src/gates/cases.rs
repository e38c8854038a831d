//! The cases kept in the project.

macro_rules! kept {
    ($($name:literal),* $(,)?) => {
        &[$((
            $name,
            include_str!(concat!("../../../../tests/reference/", $name, ".grid.ron")),
            include_str!(concat!("../../../../tests/reference/", $name, ".nodes.csv")),
        )),*]
    };
}

/// Name, grid and expected node voltages.
pub(super) const KEPT: &[(&str, &str, &str)] = kept![
    "ieee13",
    "ieee34",
    "ieee37",
    "ieee123",
    "ieee4_DY",
    "ieee4_GrdYD",
    "ieee4_YD",
    "ieee4_YY",
    "ieee4_OYOD",
    "xfmr4_DDBal",
    "xfmr4_DYUnBal",
    "xfmr4_OnePh",
    "xfmr4_SCTBal",
    "xfmr4_YYUnBal",
    "pmd4w_test_grounding",
    "pmd4w_test_line_6w",
    "pmd4w_test_load_3ph_delta_exp",
    "pmd4w_test_load_3ph_wye_ci",
    "pmd4w_test_load_3ph_wye_cz",
    "pmd4w_test_switch",
    "pmd4w_test_trans_dy",
];

pub(super) const EURO_LV: &str = include_str!("../../../../scenes/grids/euro_lv.grid.ron");
pub(super) const EURO_LV_SHAPES: &str =
    include_str!("../../../../scenes/profiles/euro_lv_1min.profile.ron");
pub(super) const EURO_LV_NODES: &str =
    include_str!("../../../../tests/reference/euro_lv.nodes.csv");
pub(super) const EURO_LV_CONST_P_NODES: &str =
    include_str!("../../../../tests/reference/euro_lv_constP.nodes.csv");
pub(super) const TIMESERIES: &str =
    include_str!("../../../../tests/reference/euro_lv_timeseries.steps.csv");
pub(super) const TIMESERIES_CONST_P: &str =
    include_str!("../../../../tests/reference/euro_lv_timeseries_constP.steps.csv");
pub(super) const FAULTS_EURO_LV: &str =
    include_str!("../../../../tests/reference/faults_euro_lv.csv");

/// Figures of other programs, with their source.
pub(super) const PEERS: &str = include_str!("../../../../tests/reference/peers.csv");
