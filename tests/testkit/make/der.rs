//! ASN.1 as signatures have it, right and wrong, and numbers as long as they like to be.

/// `SEQUENCE { r INTEGER, s INTEGER }`, the numbers big-endian.
pub(crate) fn signature(r: &[u8], s: &[u8]) -> Vec<u8> {
    sequence(&[integer(r), integer(s)])
}

pub(crate) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tagged(0x30, &parts.concat())
}

/// The shortest form of a number that is not negative.
pub(crate) fn integer(number: &[u8]) -> Vec<u8> {
    tagged(2, &shortest(number))
}

/// Tag, length in the short form, content.
pub(crate) fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u8::try_from(content.len()).unwrap();
    assert!(len < 128, "it needs the long form");
    [&[tag, len], content].concat()
}

/// Tag, length in one byte more than is needed, content.
pub(crate) fn tagged_long(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, 0x81, u8::try_from(content.len()).unwrap()], content].concat()
}

/// Content of an INTEGER.
pub(crate) fn shortest(number: &[u8]) -> Vec<u8> {
    let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    let digits = &number[first..];
    match digits.first() {
        Some(first) if *first < 0x80 => digits.to_vec(),
        _ => [&[0], digits].concat(),
    }
}

/// One byte longer than the longer one.
pub(crate) fn add(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0_u16;
    let mut sum: Vec<u8> = digits(a, b)
        .map(|(a, b)| {
            let [high, low] = (u16::from(a) + u16::from(b) + carry).to_be_bytes();
            carry = high.into();
            low
        })
        .collect();
    sum.push(u8::try_from(carry).unwrap());
    sum.reverse();
    sum
}

/// `a - b`, as long as the longer one; it is not negative.
pub(crate) fn subtract(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = 0_u16;
    let mut difference: Vec<u8> = digits(a, b)
        .map(|(a, b)| {
            let [high, low] = (0x100 + u16::from(a) - u16::from(b) - borrow).to_be_bytes();
            borrow = 1 - u16::from(high);
            low
        })
        .collect();
    assert_eq!(borrow, 0);
    difference.reverse();
    difference
}

/// The last ones first.
fn digits(a: &[u8], b: &[u8]) -> impl Iterator<Item = (u8, u8)> {
    let len = a.len().max(b.len());
    let digit =
        |number: &[u8], n: usize| number.len().checked_sub(n + 1).map_or(0, |at| number[at]);
    let both: Vec<_> = (0..len).map(|n| (digit(a, n), digit(b, n))).collect();
    both.into_iter()
}
