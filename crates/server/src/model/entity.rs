//! Entities: what kinds of records there are, and which rules hold for each.

use whimbrel_merge::Rule;

use super::{Allow, Row, ScopeTemplate, User};

/// All entities, in the order they were declared.
#[derive(Debug, Clone, Default)]
pub struct Entities(Vec<Entity>);

impl Entities {
    /// The entities, already checked.
    #[must_use]
    pub const fn new(entities: Vec<Entity>) -> Self {
        Self(entities)
    }

    /// The entity of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Entity> {
        self.0.iter().find(|entity| entity.name == name)
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Entity> {
        self.0.iter()
    }
}

/// One kind of record.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity {
    /// Its name on the wire.
    pub name: String,
    /// Its table.
    pub table: String,
    /// What clients may write.
    pub policy: Policy,
    /// Its fields. `id` is not among them: every entity has it.
    pub fields: Vec<Field>,
    /// How its rows are scoped.
    pub scopes: Vec<ScopeTemplate>,
    /// Who may do what with it.
    pub allow: Allow,
    /// The view that its rows come from; [`Entity::table`] is then the server's copy of what that shows.
    pub view: Option<View>,
    /// The positions of the two refs that a record stands for: its id is made of them, they never change, and each pair is there once or not.
    pub pair: Option<[usize; 2]>,
}

/// A view of the database, whose rows are pulled and never pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Its name.
    pub name: String,
    /// The tables it is made of: who writes them may have changed it.
    pub of: Vec<String>,
}

/// One field of an entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name on the wire.
    pub name: String,
    /// Its column.
    pub column: String,
    /// Its type.
    pub kind: FieldType,
    /// Whether every record must have it.
    pub required: bool,
    /// Whose value counts when two changes of it meet, with [`Policy::Merge`]; none for a conflict.
    pub rule: Option<Rule>,
}

/// The type of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldType {
    /// Text.
    Text {
        /// Characters (Unicode scalar values), at most.
        max: Option<u32>,
    },
    /// A whole number within ±(2⁵³ − 1).
    Integer,
    /// A finite number.
    Real,
    /// True or false.
    Boolean,
    /// Milliseconds since 1970, UTC.
    Timestamp,
    /// The id of a record.
    Ref {
        /// The name of the record's entity.
        entity: String,
    },
    /// The address of an attachment.
    Attachment,
}

impl FieldType {
    /// What a value must be, for messages.
    pub(crate) const fn expected(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::Integer => "a whole number within ±(2^53 - 1)",
            Self::Real => "a number",
            Self::Boolean => "true or false",
            Self::Timestamp => "milliseconds since 1970, a whole number",
            Self::Ref { .. } => "the id of a record (text)",
            Self::Attachment => "the address of an attachment: sha256- and 64 hexadecimal digits",
        }
    }

    /// The type's name, as in the configuration.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Boolean => "boolean",
            Self::Timestamp => "timestamp",
            Self::Ref { .. } => "ref",
            Self::Attachment => "attachment",
        }
    }

    pub(crate) const fn max(&self) -> Option<u32> {
        match self {
            Self::Text { max } => *max,
            Self::Integer | Self::Real | Self::Boolean | Self::Timestamp | Self::Ref { .. } | Self::Attachment => None,
        }
    }
}

/// What clients may write, and how the server settles differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Nothing; rows come from elsewhere.
    ReadOnly,
    /// New records only.
    AppendOnly,
    /// By field, the last change to arrive wins; a field that a change does not name is never touched.
    LastWriteWins,
    /// By field: a value that nobody else has changed is written; where two changes meet, the field's rule says, or there is a conflict.
    Merge,
    /// A change made on an older version of the row is a conflict.
    DetectConflicts,
}

impl Entity {
    /// Whether the times at which values were written count, or those at which pairs were added and removed.
    #[must_use]
    pub fn keeps_times(&self) -> bool {
        let has_newest = || self.fields.iter().any(|field| field.rule == Some(Rule::Newest));
        self.pair.is_some() || (self.policy == Policy::Merge && has_newest())
    }

    /// The position of a field.
    #[must_use]
    pub fn position(&self, field: &str) -> Option<usize> {
        self.fields.iter().position(|each| each.name == field)
    }

    /// The position of the field with that column, in whatever case.
    pub(crate) fn position_of_column(&self, column: &str) -> Option<usize> {
        self.fields.iter().position(|each| each.column.eq_ignore_ascii_case(column))
    }

    /// The positions of the fields that hold addresses of attachments.
    pub(crate) fn attachments(&self) -> impl Iterator<Item = usize> {
        let fields = self.fields.iter().enumerate();
        fields.filter(|(_, field)| field.kind == FieldType::Attachment).map(|(position, _)| position)
    }

    /// Whether the user may see and change this row: one of its scopes is one of the user's.
    #[must_use]
    pub fn is_open_to(&self, user: &User, row: &Row) -> bool {
        self.scopes.iter().filter_map(|template| template.scope_of(row)).any(|scope| user.scopes.contains(&scope))
    }

    /// The scopes of the user that rows of this entity can be in, each once. None for a user who may not read it.
    #[must_use]
    pub fn scopes_for<'a>(&self, user: &'a User) -> Vec<&'a str> {
        let mut scopes: Vec<&str> = Vec::new();
        if !self.allow.read.is_to(user) {
            return scopes;
        }
        for scope in &user.scopes {
            if !scopes.contains(&scope.as_str()) && self.scopes.iter().any(|template| template.covers(scope)) {
                scopes.push(scope);
            }
        }
        scopes
    }
}
