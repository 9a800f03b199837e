//! Authorisation: which users may do what with the records of an entity. What nobody is named for, nobody may do.
//!
//! A user is told by scopes, which come from the token or from the database: `role:admin` can be one that no row is in.

use whimbrel_protocol::Op;

use super::User;

/// Who may do what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allow {
    /// Who pulls.
    pub read: Grant,
    /// Who creates.
    pub create: Grant,
    /// Who updates.
    pub update: Grant,
    /// Who deletes.
    pub delete: Grant,
}

/// Scopes of which a user must have one. `*` is everybody, and a text with `*` at its end all scopes that begin like it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grant(Vec<String>);

impl Grant {
    /// To whoever has one of these scopes.
    #[must_use]
    pub const fn new(scopes: Vec<String>) -> Self {
        Self(scopes)
    }

    /// To everybody who is signed in.
    #[must_use]
    pub fn everybody() -> Self {
        Self(vec!["*".to_owned()])
    }

    /// Whether it is to nobody.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is to this user.
    #[must_use]
    pub fn is_to(&self, user: &User) -> bool {
        self.0.iter().any(|granted| match granted.strip_suffix('*') {
            Some("") => true,
            Some(prefix) => user.scopes.iter().any(|scope| scope.starts_with(prefix)),
            None => user.scopes.contains(granted),
        })
    }
}

impl Allow {
    /// Everybody may do everything.
    #[must_use]
    pub fn everything() -> Self {
        let all = Grant::everybody;
        Self { read: all(), create: all(), update: all(), delete: all() }
    }

    /// Whether a user may do that. Who cannot see a record cannot change it: what becomes of a change tells what is in it.
    #[must_use]
    pub fn permits(&self, user: &User, op: Op) -> bool {
        match op {
            Op::Create => self.create.is_to(user),
            Op::Update => self.read.is_to(user) && self.update.is_to(user),
            Op::Delete => self.read.is_to(user) && self.delete.is_to(user),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants() {
        let user = |scopes: &[&str]| User {
            id: "u".into(),
            scopes: scopes.iter().map(|&scope| scope.into()).collect(),
            realm: None,
        };
        let grant = |scopes: &[&str]| Grant::new(scopes.iter().map(|&scope| scope.into()).collect());
        assert!(Grant::everybody().is_to(&user(&[])));
        assert!(!Grant::default().is_to(&user(&["all"])));
        assert!(grant(&["x", "role:a"]).is_to(&user(&["role:a"])));
        assert!(!grant(&["role:a"]).is_to(&user(&["role:ab", "role:"])));
        assert!(grant(&["role:*"]).is_to(&user(&["role:ab"])) && !grant(&["role:*"]).is_to(&user(&["role"])));
    }

    #[test]
    fn who_does_not_read_does_not_change() {
        let user = User { id: "u".into(), scopes: vec!["a".into()], realm: None };
        let drop_box = Allow { create: Grant::everybody(), ..Allow::default() };
        assert!(drop_box.permits(&user, Op::Create) && !drop_box.permits(&user, Op::Update));
        let blind = Allow { read: Grant::default(), ..Allow::everything() };
        assert!(!blind.permits(&user, Op::Update) && !blind.permits(&user, Op::Delete));
        assert!(Op::Delete == Op::Delete && Allow::everything().permits(&user, Op::Delete));
    }
}
