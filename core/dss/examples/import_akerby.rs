//! Writes the grid and profile files of the default scene from the public data sets.
use std::path::Path;

use gridloom_dss::{SolarDay, import_csv_profile, import_deck};

type Failure = Box<dyn std::error::Error>;

const FEEDER: &str = "IEEE European Low Voltage Test Feeder (IEEE PES Test Feeder Working Group), OpenDSS deck Version8/Distrib/IEEETestCases/LVTestCase of dss-extensions/electricdss-tst, commit 3b208397160213cae4a9e2d0a7d1aa3528ce26e1";
const FEEDER_LICENCE: &str =
    "BSD-3-Clause, EPRI and DSS-Extensions contributors; text in LICENCES.md";
const SOLAR: &str = "CityLearn challenge 2022, phase all, house 6 (17 zero-net-energy homes in Fontana, California), intelligent-environments-lab/CityLearn";
const SOLAR_LICENCE: &str = "MIT, CityLearn contributors; text in LICENCES.md";

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let [_, data, scenes] = args.as_slice() else {
        return Err("usage: import_akerby DATA SCENES".into());
    };
    let (data, scenes) = (Path::new(data), Path::new(scenes));
    let deck = import_deck(
        &data.join("feeders/euro_lv/Master.dss"),
        FEEDER,
        FEEDER_LICENCE,
    )?;
    for finding in &deck.report {
        println!("{finding}");
    }
    std::fs::write(scenes.join("grids/euro_lv.grid.ron"), deck.grid.to_ron()?)?;
    let profiles = deck.profiles.ok_or("the deck has no shapes")?;
    std::fs::write(
        scenes.join("profiles/euro_lv_1min.profile.ron"),
        profiles.to_ron()?,
    )?;
    let csv = std::fs::read_to_string(data.join("market/citylearn_2022_17houses/hourly_year.csv"))?;
    // Row 0 is the last hour of the day before the first; day n starts at row 1 + 24 n.
    let day = |id, note, n: usize| SolarDay {
        id,
        note,
        column: "h06_pv_w_per_kw",
        first_row: 1 + 24 * n,
    };
    let days = [
        day("june_clear", "a cloudless day in June", 316),
        day("june_clouds", "passing clouds in June", 313),
        day("january_clear", "a cloudless day in January", 179),
        day("january_clouds", "passing clouds in January", 176),
    ];
    let solar = import_csv_profile(
        &csv,
        "solar days",
        SOLAR,
        SOLAR_LICENCE,
        "W per installed kW, mean of the hour that begins with the value",
        &days,
    )?;
    std::fs::write(
        scenes.join("profiles/solar_citylearn.profile.ron"),
        solar.to_ron()?,
    )?;
    Ok(())
}
