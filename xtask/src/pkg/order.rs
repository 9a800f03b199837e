//! The order of the engine's functions: similar ones stand next to each other.
//!
//! gzip finds what repeats within 32 KiB, and nothing that was further ago. Nothing else depends on where a function stands: behind the imports
//! every number of a function takes two bytes. wasm-opt orders functions by their names, so this gives them names that say the order.
//!
//! From the largest function on, the next one is always that which shares the most, per byte, with the last [`WINDOW_BYTES`]. What few functions
//! have counts more than what many have. The figures below are those that came to the fewest bytes.

use std::collections::{HashMap, VecDeque};

use crate::failure::Failure;

/// Bytes in a row that two functions share, for it to count.
const SHINGLE: usize = 7;
/// How far back gzip sees, less what it is at.
const WINDOW_BYTES: usize = 31_000;
/// What more functions have than this says nothing about any two of them.
const OWNERS_MAX: usize = 200;
/// Added to a function's size, so that the tiny ones do not come first.
const SIZE_EXTRA: usize = 30;

const IMPORTS: u8 = 2;
const CODE: u8 = 10;

/// The wasm with names for its functions, which sort as they are to stand.
pub(super) fn named(wasm: &[u8]) -> Result<Vec<u8>, Failure> {
    let malformed = || Failure::Content { file: "the engine".to_owned(), reason: "not a module of wasm".to_owned() };
    let (first, bodies) = functions(wasm).ok_or_else(malformed)?;
    let mut names: Vec<(usize, usize)> = order(&bodies).into_iter().zip(0..).collect();
    names.sort_unstable();
    let mut map = leb(names.len());
    for (function, place) in names {
        map.extend(leb(first + function));
        map.extend(text(&format!("{place:06}")));
    }
    let mut section = text("name");
    // The subsection of functions.
    section.push(1);
    section.extend(leb(map.len()));
    section.extend(map);
    let custom = [vec![0], leb(section.len()), section].concat();
    Ok([wasm, &custom].concat())
}

/// The places of all functions, in the order in which they are to stand.
fn order(bodies: &[&[u8]]) -> Vec<usize> {
    let (shingles, owners) = shingles(bodies);
    let mut window = Window { owners: &owners, counts: vec![0; owners.len()], shared: vec![0; bodies.len()] };
    let (mut inside, mut inside_bytes) = (VecDeque::new(), 0);
    let mut left: Vec<usize> = (0..bodies.len()).collect();
    let mut order = Vec::with_capacity(bodies.len());
    let size = |function: usize| bodies.get(function).map_or(0, |body| body.len());
    let of = |function: usize| shingles.get(function).map(Vec::as_slice).unwrap_or_default();
    let mut next = left.iter().copied().max_by_key(|function| size(*function));
    while let Some(function) = next {
        left.retain(|other| *other != function);
        order.push(function);
        inside.push_back(function);
        inside_bytes += size(function);
        window.enter(of(function));
        while inside_bytes > WINDOW_BYTES
            && inside.len() > 1
            && let Some(old) = inside.pop_front()
        {
            inside_bytes -= size(old);
            window.leave(of(old));
        }
        let likeness = |function: usize| {
            let shared = window.shared.get(function).copied().unwrap_or_default();
            shared * 1_000 / (size(function) + SIZE_EXTRA) as u64
        };
        next = left.iter().copied().max_by_key(|function| (likeness(*function), std::cmp::Reverse(*function)));
    }
    order
}

/// What gzip sees at one place.
struct Window<'o> {
    /// The functions that have each shingle.
    owners: &'o [Vec<usize>],
    /// How often each shingle is in the window.
    counts: Vec<u32>,
    /// What each function shares with the window.
    shared: Vec<u64>,
}

impl Window<'_> {
    fn enter(&mut self, shingles: &[usize]) {
        for shingle in shingles {
            let Some(count) = self.counts.get_mut(*shingle) else { continue };
            *count += 1;
            if *count == 1 {
                self.each_owner(*shingle, |shared, weight| *shared += weight);
            }
        }
    }

    fn leave(&mut self, shingles: &[usize]) {
        for shingle in shingles {
            let Some(count) = self.counts.get_mut(*shingle) else { continue };
            *count -= 1;
            if *count == 0 {
                self.each_owner(*shingle, |shared, weight| *shared -= weight);
            }
        }
    }

    fn each_owner(&mut self, shingle: usize, change: impl Fn(&mut u64, u64)) {
        let owners = self.owners.get(shingle).map(Vec::as_slice).unwrap_or_default();
        for owner in owners {
            self.shared.get_mut(*owner).into_iter().for_each(|shared| change(shared, weight(owners.len())));
        }
    }
}

/// What it counts to share something that so many functions have.
fn weight(owners: usize) -> u64 {
    (1_000_000 / owners.max(1) as u64).isqrt()
}

/// The shingles of each function, as numbers, and the functions that have each of them. Those that only one has, or too many, are left out.
fn shingles(bodies: &[&[u8]]) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
    let mut found: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for (function, body) in bodies.iter().enumerate() {
        for shingle in body.windows(SHINGLE) {
            let owners = found.entry(shingle).or_default();
            if owners.last() != Some(&function) {
                owners.push(function);
            }
        }
    }
    let mut owners: Vec<Vec<usize>> = found.into_values().collect();
    owners.retain(|owners| (2..=OWNERS_MAX).contains(&owners.len()));
    let mut shingles = vec![Vec::new(); bodies.len()];
    for (number, owners) in owners.iter().enumerate() {
        owners.iter().for_each(|owner| shingles.get_mut(*owner).into_iter().for_each(|of| of.push(number)));
    }
    (shingles, owners)
}

/// The number of the first function that is not imported, and the bodies of all that are not.
fn functions(wasm: &[u8]) -> Option<(usize, Vec<&[u8]>)> {
    let mut module = Reader(wasm.get(8..)?);
    let (mut imported, mut bodies) = (0, Vec::new());
    while let Some((id, rest)) = module.0.split_first() {
        module.0 = rest;
        let size = module.number()?;
        let mut section = Reader(module.take(size)?);
        match *id {
            IMPORTS => imported = imported_functions(&mut section)?,
            CODE => {
                for _ in 0..section.number()? {
                    let size = section.number()?;
                    bodies.push(section.take(size)?);
                }
            }
            _ => {}
        }
    }
    Some((imported, bodies))
}

fn imported_functions(section: &mut Reader<'_>) -> Option<usize> {
    let mut functions = 0;
    for _ in 0..section.number()? {
        for _ in 0..2 {
            let size = section.number()?;
            section.take(size)?;
        }
        match *section.take(1)?.first()? {
            // A function has the number of its type. wasm-bindgen imports nothing else.
            0 => functions += 1,
            _ => return None,
        }
        section.number()?;
    }
    Some(functions)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<usize> {
        let mut number = 0;
        for place in 0..5 {
            let byte = *self.take(1)?.first()?;
            number |= usize::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn text(text: &str) -> Vec<u8> {
    [leb(text.len()), text.as_bytes().to_vec()].concat()
}

#[cfg(test)]
mod tests {
    use super::{functions, leb, named, order};

    #[test]
    fn similar_functions_stand_next_to_each_other_and_all_are_there() {
        let kind = |seed: u8, size: u8| (0..size).map(|at| at.wrapping_mul(seed)).collect::<Vec<u8>>();
        let bodies = [kind(3, 60), kind(5, 50), kind(3, 40), kind(7, 30), kind(5, 45)];
        let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
        assert_eq!(order(&bodies), [0, 2, 1, 4, 3]);
    }

    #[test]
    fn names_are_put_behind_the_module() {
        // An import of a function and two functions, in as many sections.
        let import = [2, 7, 1, 1, b'a', 1, b'b', 0, 0];
        let code = [10, 7, 2, 2, 0, 11, 2, 0, 11];
        let module = [&b"\0asm\x01\0\0\0"[..], &import, &code].concat();
        assert_eq!(functions(&module), Some((1, vec![&[0, 11][..], &[0, 11][..]])));
        let named = named(&module).unwrap();
        assert!(named.starts_with(&module));
        assert_eq!(named.get(module.len()..).unwrap(), b"\x00\x18\x04name\x01\x11\x02\x01\x06000001\x02\x06000000");
        assert!(super::named(&module[..module.len() - 1]).is_err());
    }

    #[test]
    fn numbers_take_as_many_bytes_as_they_need() {
        assert_eq!([leb(0), leb(127), leb(128), leb(300)], [vec![0], vec![127], vec![128, 1], vec![172, 2]]);
    }
}
