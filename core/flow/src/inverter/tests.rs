use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_rating_is_never_exceeded(p in -2e4f64..2e4, q in -2e4f64..2e4, v in 0.0f64..1.5, hz in 45.0f64..55.0, watt in any::<bool>()) {
        let mut law = InverterLaw::new(1e4, 9e3).volt_var(Category::B).volt_watt().frequency_watt(50.0);
        if watt {
            law.priority = Priority::Watt;
        }
        let (p, q) = law.delivered(p, q, v, hz);
        prop_assert!(p * p + q * q <= 1e8 * (1.0 + 1e-12));
        prop_assert!(q.abs() <= 4.4e3 + 1e-9);
    }
}

#[test]
fn default_settings_are_those_of_the_standard() {
    let law = InverterLaw::new(1e4, 1e4).volt_var(Category::B);
    for (v, q) in [
        (0.9, 4400.0),
        (0.95, 2200.0),
        (1.0, 0.0),
        (1.05, -2200.0),
        (1.2, -4400.0),
    ] {
        assert!((law.delivered(0.0, 0.0, v, 50.0).1 - q).abs() < 1e-9, "{v}");
    }
    let law = InverterLaw::new(1e4, 1e4).volt_var(Category::A);
    assert!((law.delivered(0.0, 0.0, 0.95, 50.0).1 - 1250.0).abs() < 1e-9);
    let law = InverterLaw::new(1e4, 1e4).volt_watt();
    assert!((law.delivered(1e4, 0.0, 1.08, 50.0).0 - 6e3).abs() < 1e-9);
    assert!((law.delivered(4e3, 0.0, 1.08, 50.0).0 - 4e3).abs() < 1e-9);
    let law = InverterLaw::new(1e4, 1e4).frequency_watt(60.0);
    // 0.3 Hz beyond the deadband is a tenth of the rating at 5 % droop.
    assert!((law.delivered(1e4, 0.0, 1.0, 60.336).0 - 9e3).abs() < 1e-6);
    assert_eq!(law.delivered(1e4, 0.0, 1.0, 60.036).0, 1e4);
    assert_eq!(law.delivered(1e4, 0.0, 1.0, 59.0).0, 1e4, "no reserve");
}

#[test]
fn curves_are_refused_when_they_are_none() {
    for points in [&[][..], &[(1.0, 0.0), (1.0, 1.0)], &[(f64::NAN, 0.0)]] {
        assert_eq!(Curve::new(points), Err(LawError::Curve));
    }
}
