//! Schemas of what has none by derivation: JSON values of any kind, records of fields, codes that a macro makes.

use std::borrow::Cow;

use utoipa::openapi::schema::{AdditionalProperties, AnyOfBuilder, ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::{Fields, Json, ProblemCode};

impl PartialSchema for Json {
    fn schema() -> RefOr<Schema> {
        let of = |kind| ObjectBuilder::new().schema_type(SchemaType::new(kind));
        let each = Ref::from_schema_name(Self::name());
        let any = AnyOfBuilder::new()
            .description(Some("Any JSON value."))
            .item(of(Type::Null))
            .item(of(Type::Boolean))
            .item(of(Type::Number))
            .item(of(Type::String))
            .item(ArrayBuilder::new().items(each.clone()))
            .item(of(Type::Object).additional_properties(Some(AdditionalProperties::RefOr(each.into()))));
        any.into()
    }
}

impl ToSchema for Json {
    fn name() -> Cow<'static, str> {
        "Json".into()
    }
}

impl PartialSchema for Fields {
    fn schema() -> RefOr<Schema> {
        let each = Ref::from_schema_name(Json::name());
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::Object))
            .description(Some("Field name → value."))
            .additional_properties(Some(AdditionalProperties::RefOr(each.into())))
            .into()
    }
}

impl ToSchema for Fields {
    fn name() -> Cow<'static, str> {
        "Fields".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Json::name().into(), Json::schema()));
    }
}

impl PartialSchema for ProblemCode {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .description(Some("Stable; new ones may come, and then the status says what they mean."))
            .examples(Self::ALL.iter().map(|code| code.as_str()))
            .into()
    }
}

impl ToSchema for ProblemCode {
    fn name() -> Cow<'static, str> {
        "ProblemCode".into()
    }
}
