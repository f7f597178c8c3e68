//! The schema of result files, for a validator, made of the types that are written.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;

use crate::results::ResultFile;

/// `results/schema.json`: JSON Schema 2020-12.
pub fn schema() -> String {
    let settings =
        SchemaSettings::draft2020_12().for_serialize().with_transform(RecursiveTransform(one_line));
    let schema = settings.into_generator().into_root_schema_for::<ResultFile>();
    format!("{:#}\n", schema.as_value())
}

/// A comment's lines are one.
fn one_line(schema: &mut Schema) {
    if let Some(serde_json::Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}
