//! The real number that a decimal number stands for, to the last bit.
//!
//! The standard library's reader brings a table of 10 KB that a page would have to load. Numbers that people write go the short way here;
//! the others are worked out with whole numbers of any length, which is slower and just as exact.

/// Up to here every whole number is a real number, and so is every power of ten up to [`EXACT_POWER_MAX`].
const EXACT_MAX: u64 = 1 << 53;
const EXACT_POWER_MAX: i64 = 22;
/// Digits that count. No real number, and no middle between two, has more; of what follows it counts only whether it is zero.
const DIGITS_MAX: usize = 768;
/// A number below this power of ten is nearest to zero, and one from the other on is too large.
const POWER_MIN: i64 = -324;
const POWER_MAX: i64 = 310;

/// The number nearest to `digits` × 10^`exponent`; of two equally near, the even one. Infinity when it is too large.
pub(super) fn nearest(digits: &[u8], exponent: i64) -> f64 {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let (_, digits) = digits.split_at(zeros);
    let power = exponent.saturating_add(digits.len() as i64);
    if digits.is_empty() || power < POWER_MIN {
        return 0.0;
    }
    if power > POWER_MAX {
        return f64::INFINITY;
    }
    short(digits, exponent).unwrap_or_else(|| long(digits, exponent))
}

/// Where the digits and the power of ten are exact, their product or quotient is rounded once, and so is right.
#[allow(clippy::cast_precision_loss, reason = "checked to be exact")]
fn short(digits: &[u8], exponent: i64) -> Option<f64> {
    if digits.len() > 16 || exponent.abs() > EXACT_POWER_MAX {
        return None;
    }
    let whole = digits.iter().fold(0, |whole, digit| whole * 10 + u64::from(digit - b'0'));
    let power = (0..exponent.abs()).fold(1.0, |power, _| power * 10.0);
    let whole = (whole <= EXACT_MAX).then_some(whole as f64)?;
    Some(if exponent < 0 { whole / power } else { whole * power })
}

/// The digits as one whole number, times or divided by the power of ten; of its bits, the first are the real number's.
fn long(digits: &[u8], exponent: i64) -> f64 {
    let (counted, rest) = digits.split_at(digits.len().min(DIGITS_MAX));
    let mut exponent = exponent + rest.len() as i64;
    let mut is_cut = rest.iter().any(|digit| *digit != b'0');
    let mut whole = Whole::default();
    for digit in counted {
        whole.multiply(10, u32::from(digit - b'0'));
    }
    let mut shift = 0;
    while exponent > 0 {
        whole.multiply(10, 0);
        exponent -= 1;
    }
    if exponent < 0 {
        // Room behind, so that 64 bits stay at least: nine divisions by ten take less than a part, and nine digits bring nearly one.
        let room = (exponent.unsigned_abs() as usize).saturating_sub(counted.len()) / 9 + 3;
        whole.0.splice(0..0, std::iter::repeat_n(0, room));
        shift = 32 * room as i64;
    }
    while exponent < 0 {
        is_cut |= whole.divide(10) != 0;
        exponent += 1;
    }
    let (bits, length, is_rest) = whole.first_bits();
    real(bits, length - 1 - shift, is_cut || is_rest)
}

/// Bits of a number that are looked at: more than a real number has, and few enough to be passed over by one shift.
const BITS: u32 = 62;
/// Bits of a real number, without its sign and exponent; with the first, which is not stored, it has one more.
const STORED_BITS: u32 = 52;

/// The real number nearest to `bits` (and something more when `is_cut`), whose first bit stands for 2^`power`.
fn real(bits: u64, power: i64, is_cut: bool) -> f64 {
    // Below 2^-1022 a real number has fewer bits and the exponent stays.
    let exponent = (power + 1_022).max(0);
    let dropped = (i64::from(BITS - 1 - STORED_BITS) + exponent - (power + 1_022)).min(63);
    let (kept, rest, half) = (bits >> dropped, bits & ((1 << dropped) - 1), 1 << (dropped - 1));
    let rounds_up = rest > half || (rest == half && (is_cut || kept % 2 == 1));
    // The first bit of `kept` adds one to the exponent, and so does one that rounding brings.
    let stored = ((exponent as u64) << STORED_BITS) + kept + u64::from(rounds_up);
    f64::from_bits(stored.min(f64::INFINITY.to_bits()))
}

/// A whole number of any length, the smallest part first.
#[derive(Default)]
struct Whole(Vec<u32>);

impl Whole {
    fn multiply(&mut self, factor: u32, add: u32) {
        let mut carry = u64::from(add);
        for part in &mut self.0 {
            carry += u64::from(*part) * u64::from(factor);
            *part = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    /// Divides; the remainder.
    fn divide(&mut self, divisor: u32) -> u32 {
        let mut rest = 0;
        for part in self.0.iter_mut().rev() {
            let whole = (rest << 32) | u64::from(*part);
            *part = (whole / u64::from(divisor)) as u32;
            rest = whole % u64::from(divisor);
        }
        rest as u32
    }

    /// The first [`BITS`] bits, how many bits it has, and whether there is a one behind the first.
    fn first_bits(&self) -> (u64, i64, bool) {
        let (mut bits, mut length, mut is_rest) = (0_u64, 0, false);
        for place in (0..32 * self.0.len()).rev() {
            let bit = self.0.get(place / 32).is_some_and(|part| part >> (place % 32) & 1 == 1);
            if bits >> (BITS - 1) == 0 {
                bits = bits << 1 | u64::from(bit);
            } else {
                is_rest |= bit;
            }
            length += i64::from(length > 0 || bit);
        }
        (bits << bits.leading_zeros().saturating_sub(64 - BITS), length, is_rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::nearest;

    /// The middle between a number below one and the next, in full, and numbers next to it on either side.
    fn around_the_middle(real: f64) -> [(String, usize); 3] {
        let digits = |real: f64| format!("{real:.1100}").replace('.', "").into_bytes();
        // Their sum, times five, one place further: the middle × 10¹¹⁰¹.
        let (mut places, mut carry) = (Vec::new(), 0);
        for (left, right) in digits(real).into_iter().zip(digits(real.next_up())).rev() {
            let place = 5 * (left - b'0' + right - b'0') + carry;
            places.push(char::from(b'0' + place % 10));
            carry = place / 10;
        }
        let text: String = places.iter().rev().collect();
        let whole = format!("{carry}{text}");
        // It ends in a five, for half of a power of two does.
        let before = whole.trim_end_matches('0').trim_start_matches('0').strip_suffix('5').unwrap();
        let exponent = 1_101 - (whole.len() - whole.trim_end_matches('0').len());
        [
            (format!("{before}5"), exponent),
            (format!("{before}50000000001"), exponent + 10),
            (format!("{before}49"), exponent + 1),
        ]
    }

    fn check(real: f64) {
        for (digits, places) in around_the_middle(real) {
            let expected: f64 = format!("{digits}e-{places}").parse().unwrap();
            let found = nearest(digits.as_bytes(), -(places as i64));
            assert_eq!(found.to_bits(), expected.to_bits(), "{digits}e-{places}");
        }
    }

    #[test]
    fn the_smallest_numbers_are_right() {
        let normal = f64::MIN_POSITIVE;
        for real in [0.0, f64::from_bits(1), normal.next_down(), normal, 0.5, 1.0_f64.next_down()] {
            check(real);
        }
    }

    proptest! {
        #[test]
        fn a_middle_goes_to_the_even_number(bits in 0..1.0_f64.to_bits(), small in 0_u64..1_000_000) {
            check(f64::from_bits(bits));
            check(f64::from_bits(small));
        }
    }
}
