//! Registers to values and back.

use super::{Point, PointType, Scale, WordOrder};
use crate::reading::BadReason;

/// A decoded value and the registers it came from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Decoded {
    /// Value in the point's unit.
    pub(crate) value: f64,
    /// Coded number, most significant word first.
    pub(crate) raw: u64,
}

/// Largest exponent of a scale factor register (SunSpec allows -10 to 10).
const MAX_EXPONENT: i16 = 10;

/// Decodes a point from the registers of a block that starts at `block_addr`.
///
/// Bits arrive as registers of 0 or 1. A NaN, a listed invalid number and a
/// value out of range are no values.
pub(crate) fn decode(
    point: &Point,
    block_addr: u16,
    registers: &[u16],
) -> Result<Decoded, BadReason> {
    let words = slice(registers, block_addr, point.addr, point.ty.width())?;
    let raw = join(words, point.order);
    if point.invalid.contains(&raw) {
        return Err(BadReason::NotImplemented);
    }
    let number = number(point.ty, raw);
    if !number.is_finite() {
        return Err(BadReason::NotImplemented);
    }
    let scaled = match point.scale {
        Scale::Fixed(factor) => number * factor,
        Scale::Pow10Reg(register) => {
            let exponent = slice(registers, block_addr, register, 1)?[0].cast_signed();
            if exponent.unsigned_abs() > MAX_EXPONENT.unsigned_abs() {
                return Err(BadReason::NotImplemented);
            }
            times_power_of_ten(number, exponent)
        }
    };
    let value = scaled * if point.negate { -1.0 } else { 1.0 };
    match point.range {
        Some((low, high)) if !(low..=high).contains(&value) => Err(BadReason::OutOfRange),
        _ => Ok(Decoded { value, raw }),
    }
}

/// A number times a power of ten. Dividing by the whole power gives the double
/// nearest to the decimal fraction, which multiplying by 0.1 does not.
pub(crate) fn times_power_of_ten(number: f64, exponent: i16) -> f64 {
    let power = 10_f64.powi(i32::from(exponent.unsigned_abs()));
    if exponent < 0 {
        number / power
    } else {
        number * power
    }
}

/// Encodes a value into a point's registers; `exponent` is what its scale
/// factor register holds, if it has one.
pub(crate) fn encode(point: &Point, value: f64, exponent: i16) -> Result<Vec<u16>, String> {
    if !value.is_finite() {
        return Err("it is not a number".to_owned());
    }
    let factor = match point.scale {
        Scale::Fixed(factor) => factor,
        Scale::Pow10Reg(_) => 10_f64.powi(i32::from(exponent)),
    };
    let number = value * if point.negate { -1.0 } else { 1.0 } / factor;
    let (low, high) = match point.ty {
        PointType::Bit => (0.0, 1.0),
        PointType::U16 => (0.0, f64::from(u16::MAX)),
        PointType::I16 => (f64::from(i16::MIN), f64::from(i16::MAX)),
        PointType::U32 => (0.0, f64::from(u32::MAX)),
        PointType::I32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
        // The largest doubles below 2^64 and 2^63.
        PointType::U64 => (0.0, 18_446_744_073_709_549_568.0),
        PointType::I64 => (-9_223_372_036_854_775_808.0, 9_223_372_036_854_774_784.0),
        PointType::F32 => (-f64::from(f32::MAX), f64::from(f32::MAX)),
        PointType::F64 => (f64::MIN, f64::MAX),
    };
    let whole = number.round();
    let coded = if matches!(point.ty, PointType::F32 | PointType::F64) {
        number
    } else {
        whole
    };
    if !(low..=high).contains(&coded) {
        return Err(format!("coded as {coded} it is outside {low} to {high}"));
    }
    let raw = match point.ty {
        PointType::Bit | PointType::U16 | PointType::U32 | PointType::U64 => whole as u64,
        PointType::I16 => u64::from((whole as i16).cast_unsigned()),
        PointType::I32 => u64::from((whole as i32).cast_unsigned()),
        PointType::I64 => (whole as i64).cast_unsigned(),
        PointType::F32 => u64::from((number as f32).to_bits()),
        PointType::F64 => number.to_bits(),
    };
    if point.invalid.contains(&raw) {
        return Err("its code means that there is no value".to_owned());
    }
    Ok(split(raw, point.ty.width(), point.order))
}

fn slice(registers: &[u16], block_addr: u16, addr: u16, width: u16) -> Result<&[u16], BadReason> {
    let start = addr.checked_sub(block_addr).map(usize::from);
    start
        .and_then(|start| registers.get(start..start + usize::from(width)))
        // The planner reads a point in one block; anything else is its error.
        .ok_or(BadReason::ConfigMismatch)
}

fn number(ty: PointType, raw: u64) -> f64 {
    match ty {
        PointType::Bit => f64::from(u8::from(raw != 0)),
        PointType::U16 | PointType::U32 | PointType::U64 => raw as f64,
        PointType::I16 => f64::from((raw as u16).cast_signed()),
        PointType::I32 => f64::from((raw as u32).cast_signed()),
        PointType::I64 => raw.cast_signed() as f64,
        PointType::F32 => f64::from(f32::from_bits(raw as u32)),
        PointType::F64 => f64::from_bits(raw),
    }
}

/// Word order and byte order of an [`WordOrder`]: (low word first, low byte first).
fn swaps(order: WordOrder) -> (bool, bool) {
    match order {
        WordOrder::Abcd => (false, false),
        WordOrder::Cdab => (true, false),
        WordOrder::Badc => (false, true),
        WordOrder::Dcba => (true, true),
    }
}

fn join(words: &[u16], order: WordOrder) -> u64 {
    let (low_word_first, low_byte_first) = swaps(order);
    let mut raw = 0;
    let mut push = |word: &u16| {
        let word = if low_byte_first {
            word.swap_bytes()
        } else {
            *word
        };
        raw = raw << 16 | u64::from(word);
    };
    if low_word_first {
        words.iter().rev().for_each(&mut push);
    } else {
        words.iter().for_each(&mut push);
    }
    raw
}

fn split(raw: u64, width: u16, order: WordOrder) -> Vec<u16> {
    let (low_word_first, low_byte_first) = swaps(order);
    let mut words: Vec<u16> = (0..width)
        .rev()
        .map(|word| (raw >> (16 * word)) as u16)
        .map(|word| {
            if low_byte_first {
                word.swap_bytes()
            } else {
                word
            }
        })
        .collect();
    if low_word_first {
        words.reverse();
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Area, PollGroup};
    use super::*;

    fn point(ty: PointType, order: WordOrder) -> Point {
        Point {
            id: "p".into(),
            area: if ty == PointType::Bit {
                Area::Coil
            } else {
                Area::Input
            },
            addr: 10,
            ty,
            order,
            scale: Scale::Fixed(1.0),
            negate: false,
            unit: String::new(),
            poll: PollGroup::Fast,
            invalid: vec![],
            range: None,
            write: None,
        }
    }

    #[test]
    fn every_word_order_decodes_its_own_bytes() {
        // 230.25 as IEEE 754 single is 0x43664000.
        for (order, words) in [
            (WordOrder::Abcd, [0x4366, 0x4000]),
            (WordOrder::Cdab, [0x4000, 0x4366]),
            (WordOrder::Badc, [0x6643, 0x0040]),
            (WordOrder::Dcba, [0x0040, 0x6643]),
        ] {
            let point = point(PointType::F32, order);
            let decoded = decode(&point, 10, &words).expect("a number");
            assert_eq!(
                (decoded.value, decoded.raw),
                (230.25, 0x4366_4000),
                "{order:?}"
            );
            assert_eq!(encode(&point, 230.25, 0), Ok(words.to_vec()), "{order:?}");
        }
    }

    #[test]
    fn no_value_is_never_zero() {
        let mut float = point(PointType::F32, WordOrder::Abcd);
        // Any NaN: the usual, and one that some devices send instead.
        for raw in [0x7fc0_0000_u32, 0x7fbf_ff80, 0xffff_ffff, 0x7f80_0000] {
            let words = [(raw >> 16) as u16, raw as u16];
            assert_eq!(decode(&float, 10, &words), Err(BadReason::NotImplemented));
        }
        float.range = Some((0.0, 400.0));
        let words = encode(&point(PointType::F32, WordOrder::Abcd), 401.0, 0).expect("fits");
        assert_eq!(decode(&float, 10, &words), Err(BadReason::OutOfRange));
        let mut signed = point(PointType::I32, WordOrder::Abcd);
        signed.invalid = vec![0x8000_0000];
        assert_eq!(
            decode(&signed, 10, &[0x8000, 0]),
            Err(BadReason::NotImplemented)
        );
        assert_eq!(
            decode(&signed, 10, &[0xffff, 0xfffe]).map(|d| d.value),
            Ok(-2.0)
        );
    }

    #[test]
    fn a_scale_factor_register_is_read_with_its_value() {
        let mut scaled = point(PointType::I16, WordOrder::Abcd);
        scaled.scale = Scale::Pow10Reg(12);
        assert_eq!(
            decode(&scaled, 10, &[2_305, 0, 0xffff]).map(|d| d.value),
            Ok(230.5)
        );
        // 0x8000 means that there is no scale factor.
        assert_eq!(
            decode(&scaled, 10, &[2_305, 0, 0x8000]),
            Err(BadReason::NotImplemented)
        );
        assert_eq!(
            decode(&scaled, 10, &[2_305]),
            Err(BadReason::ConfigMismatch)
        );
    }

    fn any_type() -> impl Strategy<Value = PointType> {
        prop_oneof![
            Just(PointType::U16),
            Just(PointType::I16),
            Just(PointType::U32),
            Just(PointType::I32),
            Just(PointType::U64),
            Just(PointType::I64),
            Just(PointType::F32),
            Just(PointType::F64),
        ]
    }

    fn any_order() -> impl Strategy<Value = WordOrder> {
        prop_oneof![
            Just(WordOrder::Abcd),
            Just(WordOrder::Cdab),
            Just(WordOrder::Badc),
            Just(WordOrder::Dcba),
        ]
    }

    proptest! {
        #[test]
        fn what_fits_comes_back_and_what_does_not_is_refused(
            ty in any_type(),
            order in any_order(),
            value in -100_000_i32..100_000,
            negate in any::<bool>(),
        ) {
            let mut point = point(ty, order);
            point.negate = negate;
            let value = f64::from(value);
            match encode(&point, value, 0) {
                Ok(words) => {
                    prop_assert_eq!(words.len(), usize::from(ty.width()));
                    prop_assert_eq!(decode(&point, 10, &words).map(|d| d.value), Ok(value));
                }
                Err(_) => prop_assert!(!matches!(ty, PointType::I32 | PointType::I64 | PointType::F32 | PointType::F64)),
            }
        }

        #[test]
        fn any_registers_decode_without_panic(
            ty in any_type(),
            order in any_order(),
            words in proptest::collection::vec(any::<u16>(), 0..6),
            block in 0_u16..20,
        ) {
            if let Ok(decoded) = decode(&point(ty, order), block, &words) {
                prop_assert!(decoded.value.is_finite());
            }
        }
    }
}
