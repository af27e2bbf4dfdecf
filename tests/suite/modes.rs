//! One behaviour, three tests: through the invocation payload, legacy forwarding, and proxying.

/// Turns each `async fn behaviour(mode: Mode)` named into a test per [`Mode`](crate::functions_host::Mode).
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
