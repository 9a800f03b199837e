//! The shape of a push as a whole. What is wrong here is a fault of the sender's code, so the whole request is refused.

use uuid::Uuid;
use whimbrel_protocol::{CHANGE_BYTES_MAX, Change, ID_BYTES_MAX, Op, ProblemCode, PushRequest};

use crate::config::Sizes;
use crate::fault::Fault;

/// Checks a push.
///
/// # Errors
/// `request/malformed`, `request/too-large`; `push/gap` when a `seq` is skipped inside the request.
pub(crate) fn check(request: &PushRequest, sizes: &Sizes) -> Result<(), Fault> {
    if Uuid::try_parse(&request.client).is_err() {
        return Err(malformed("client is not a UUID"));
    }
    if request.changes.len() > sizes.push_changes {
        return Err(Fault::new(ProblemCode::TooLarge, format!("more than {} changes", sizes.push_changes)));
    }
    if request.end && !request.changes.is_empty() {
        return Err(malformed("a client that ends sends no changes with it"));
    }
    request.changes.iter().try_for_each(check_change)?;
    check_order(&request.changes)?;
    check_groups(&request.changes)
}

fn malformed(detail: impl Into<String>) -> Fault {
    Fault::new(ProblemCode::Malformed, detail)
}

fn check_change(change: &Change) -> Result<(), Fault> {
    let seq = change.seq;
    if seq == 0 {
        return Err(malformed("seq begins at 1"));
    }
    if Uuid::try_parse(&change.change).is_err() {
        return Err(malformed(format!("the change id of seq {seq} is not a UUID")));
    }
    if change.op == Op::Delete && !change.set.is_empty() {
        return Err(malformed(format!("seq {seq} is a delete that sets fields")));
    }
    if change.group.as_ref().is_some_and(|group| group.len() > ID_BYTES_MAX) {
        return Err(malformed(format!("the group of seq {seq} is over {ID_BYTES_MAX} bytes")));
    }
    if bytes_of(change) > CHANGE_BYTES_MAX {
        return Err(Fault::new(ProblemCode::TooLarge, format!("seq {seq} is over {CHANGE_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// The bytes of a change as JSON, counted without keeping them.
pub(super) fn bytes_of(change: &Change) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    serde_json::to_writer(&mut counter, change).map_or(usize::MAX, |()| counter.0)
}

fn check_order(changes: &[Change]) -> Result<(), Fault> {
    for (earlier, later) in changes.iter().zip(changes.iter().skip(1)) {
        if later.seq <= earlier.seq {
            return Err(malformed(format!("seq {} comes after seq {}", later.seq, earlier.seq)));
        }
        if later.seq != earlier.seq + 1 {
            let detail = format!("seq {} comes right after seq {}", later.seq, earlier.seq);
            return Err(Fault::new(ProblemCode::Gap, detail));
        }
    }
    Ok(())
}

fn check_groups(changes: &[Change]) -> Result<(), Fault> {
    let mut ended = std::collections::BTreeSet::new();
    let mut current: Option<&str> = None;
    for change in changes {
        let group = change.group.as_deref();
        if group != current {
            ended.extend(current);
            current = group;
        }
        if group.is_some_and(|group| ended.contains(group)) {
            return Err(malformed(format!("the group of seq {} is not in one piece", change.seq)));
        }
    }
    Ok(())
}
