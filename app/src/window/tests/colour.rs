//! V3: contrast and colour differences of the tokens, also for people with
//! colour vision deficiencies.

use egui::Color32;

use crate::window::ThemeName;
use crate::window::theme::{Theme, Themes, linear, luminance};

/// Contrast ratio (WCAG 2.2).
fn contrast(a: Color32, b: Color32) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Linear sRGB to CIELAB under D65.
fn lab([r, g, b]: [f64; 3]) -> [f64; 3] {
    let x = (0.412_456_4 * r + 0.357_576_1 * g + 0.180_437_5 * b) / 0.950_47;
    let y = 0.212_672_9 * r + 0.715_152_2 * g + 0.072_175_0 * b;
    let z = (0.019_333_9 * r + 0.119_192_0 * g + 0.950_304_1 * b) / 1.088_83;
    let f = |t: f64| {
        if t > 0.008_856 {
            t.cbrt()
        } else {
            7.787 * t + 16.0 / 116.0
        }
    };
    [
        116.0 * f(y) - 16.0,
        500.0 * (f(x) - f(y)),
        200.0 * (f(y) - f(z)),
    ]
}

/// Chroma C* of a colour.
pub fn chroma(colour: Color32) -> f64 {
    let [_, a, b] = lab(linear(colour));
    a.hypot(b)
}

/// CIEDE2000 (Sharma, Wu and Dalal 2005).
fn difference([l1, a1, b1]: [f64; 3], [l2, a2, b2]: [f64; 3]) -> f64 {
    let mean_c = (a1.hypot(b1) + a2.hypot(b2)) * 0.5;
    let g = 0.5 * (1.0 - (mean_c.powi(7) / (mean_c.powi(7) + 25.0_f64.powi(7))).sqrt());
    let (a1, a2) = (a1 * (1.0 + g), a2 * (1.0 + g));
    let (c1, c2) = (a1.hypot(b1), a2.hypot(b2));
    let hue = |a: f64, b: f64| {
        if a == 0.0 && b == 0.0 {
            0.0
        } else {
            b.atan2(a).to_degrees().rem_euclid(360.0)
        }
    };
    let (h1, h2) = (hue(a1, b1), hue(a2, b2));
    let grey = c1 * c2 == 0.0;
    let mut dh = h2 - h1;
    if dh > 180.0 {
        dh -= 360.0;
    } else if dh < -180.0 {
        dh += 360.0;
    }
    if grey {
        dh = 0.0;
    }
    let (dl, dc) = (l2 - l1, c2 - c1);
    let dh_big = 2.0 * (c1 * c2).sqrt() * (dh * 0.5).to_radians().sin();
    let (ml, mc) = ((l1 + l2) * 0.5, (c1 + c2) * 0.5);
    let mh = if grey {
        h1 + h2
    } else if (h1 - h2).abs() <= 180.0 {
        (h1 + h2) * 0.5
    } else if h1 + h2 < 360.0 {
        (h1 + h2 + 360.0) * 0.5
    } else {
        (h1 + h2 - 360.0) * 0.5
    };
    let cos = |degrees: f64| degrees.to_radians().cos();
    let t = 1.0 - 0.17 * cos(mh - 30.0) + 0.24 * cos(2.0 * mh) + 0.32 * cos(3.0 * mh + 6.0)
        - 0.20 * cos(4.0 * mh - 63.0);
    let sl = 1.0 + 0.015 * (ml - 50.0).powi(2) / (20.0 + (ml - 50.0).powi(2)).sqrt();
    let (sc, sh) = (1.0 + 0.045 * mc, 1.0 + 0.015 * mc * t);
    let turn = 60.0 * (-((mh - 275.0) / 25.0).powi(2)).exp();
    let rc = 2.0 * (mc.powi(7) / (mc.powi(7) + 25.0_f64.powi(7))).sqrt();
    let rt = -rc * turn.to_radians().sin();
    let (l, c, h) = (dl / sl, dc / sc, dh_big / sh);
    (l * l + c * c + h * h + rt * c * h).sqrt()
}

/// Normal sight and the three dichromacies (Machado, Oliveira and Fernandes 2009, severity 1).
const SIGHTS: [(&str, [[f64; 3]; 3]); 4] = [
    (
        "normal",
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    ),
    (
        "deutan",
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
    ),
    (
        "protan",
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
    ),
    (
        "tritan",
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ),
];

fn seen(colour: Color32, matrix: &[[f64; 3]; 3]) -> [f64; 3] {
    let rgb = linear(colour);
    matrix.map(|row| (row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2]).clamp(0.0, 1.0))
}

fn semantic(t: &Theme) -> [(&'static str, Color32); 7] {
    [
        ("alarm 1", t.alarm1),
        ("alarm 2", t.alarm2),
        ("alarm 3", t.alarm3),
        ("ledger", t.ledger),
        ("data", t.data),
        ("energised", t.energised),
        ("dead", t.dead),
    ]
}

#[test]
fn texts_and_graphics_have_contrast() {
    let themes = Themes::built_in();
    for name in [ThemeName::Night, ThemeName::Day] {
        let t = themes.get(name);
        for ground in [t.base, t.panel] {
            for text in [t.text1, t.text2, t.text3] {
                assert!(
                    contrast(text, ground) >= 4.5,
                    "{name:?} text {text:?}: {}",
                    contrast(text, ground)
                );
            }
            assert!(contrast(t.text1, ground) >= 7.0);
        }
        // Yellow on a light ground is told by its edge.
        let graphics =
            semantic(t).map(|(n, c)| (n, if n == "alarm 2" { t.alarm2_edge } else { c }));
        for (what, colour) in graphics {
            assert!(
                contrast(colour, t.base) >= 3.0,
                "{name:?} {what}: {}",
                contrast(colour, t.base)
            );
        }
        for (digit, ground) in [
            (t.alarm1_digit, t.alarm1),
            (t.alarm2_digit, t.alarm2),
            (t.alarm3_digit, t.alarm3),
        ] {
            assert!(
                contrast(digit, ground) >= 4.0,
                "{name:?}: {}",
                contrast(digit, ground)
            );
        }
    }
}

#[test]
fn meanings_differ_for_every_kind_of_sight() {
    let themes = Themes::built_in();
    for name in [ThemeName::Night, ThemeName::Day] {
        let colours = semantic(themes.get(name));
        for (sight, matrix) in &SIGHTS {
            for (k, (a_name, a)) in colours.iter().enumerate() {
                for (b_name, b) in &colours[k + 1..] {
                    let d = difference(lab(seen(*a, matrix)), lab(seen(*b, matrix)));
                    assert!(
                        d >= 12.0,
                        "{name:?}, {sight}: {a_name} and {b_name} differ by {d:.1}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_difference_formula_gives_published_values() {
    // Pairs 1, 7 and 25 of the test data of Sharma, Wu and Dalal (2005).
    let pairs = [
        ([50.0, 2.6772, -79.7751], [50.0, 0.0, -82.7485], 2.0425),
        ([50.0, 0.0, 0.0], [50.0, -1.0, 2.0], 2.3669),
        (
            [60.2574, -34.0099, 36.2677],
            [60.4626, -34.1751, 39.4387],
            1.2644,
        ),
    ];
    for (a, b, expected) in pairs {
        assert!(
            (difference(a, b) - expected).abs() < 1e-4,
            "{} instead of {expected}",
            difference(a, b)
        );
    }
}
