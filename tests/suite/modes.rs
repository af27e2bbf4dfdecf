//! The forms in which hosts hand on requests: the invocation payload, legacy forwarding, and proxying.
//!
//! `forms` proves that a function gets the same request in each of them, so most behaviours are tested in one.

/// Turns each `async fn behaviour(mode: Mode)` named into a test per [`Mode`](crate::functions_host::Mode): for what
/// depends on the form.
macro_rules! in_every_mode {
    ($($behaviour:ident)*) => {
        in_every_mode!(@module payload Payload $($behaviour)*);
        in_every_mode!(@module forwarding Forwarding $($behaviour)*);
        in_every_mode!(@module proxying Proxying $($behaviour)*);
    };
    (@module $module:ident $mode:ident $($behaviour:ident)*) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $behaviour() {
                    super::$behaviour(crate::functions_host::Mode::$mode).await;
                }
            )*
        }
    };
}

/// One test for each: for what does not depend on the form. It is the form that our own `host.json` asks for.
macro_rules! in_one_mode {
    ($($behaviour:ident)*) => {
        in_every_mode!(@module in_one_mode Payload $($behaviour)*);
    };
}
