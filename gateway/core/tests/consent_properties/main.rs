//! Properties of consent decisions, over the Consents of the small model. A binary of its own, because mutation testing
//! runs the table and the model hundreds of times and gains nothing from chance.

mod properties;
#[path = "../consent/question.rs"]
mod question;
#[path = "../consent/states.rs"]
mod states;
#[path = "../consent/world.rs"]
mod world;
