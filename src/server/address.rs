//! Which address is which function.

use crate::host::HTTP_OUTPUT;

/// The functions, each a folder with a `function.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    ApproveRelease,
    Deliver,
}

impl Function {
    const ALL: [Self; 2] = [Self::ApproveRelease, Self::Deliver];

    /// The folder's name, which is the path of an invocation payload.
    pub fn name(self) -> &'static str {
        match self {
            Self::ApproveRelease => "ApproveRelease",
            Self::Deliver => "Deliver",
        }
    }

    /// The name of its HTTP output, where it has one.
    pub fn output(self) -> Option<&'static str> {
        self.route().map(|_| HTTP_OUTPUT)
    }

    /// The path under `/api/`, where it has one.
    fn route(self) -> Option<&'static str> {
        match self {
            Self::ApproveRelease => Some("ApproveRelease"),
            Self::Deliver => None,
        }
    }
}

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
pub enum Address {
    /// The readiness and health check of the host.
    Ready,
    /// An invocation payload.
    Invocation(Function),
    /// A caller's request, handed on.
    Forwarded(Function),
    /// Nowhere.
    Nothing,
}

/// Where `path` leads. Callers' paths match whatever their case and with or without one slash at the end, as in the
/// host; payload paths match exactly.
pub fn address(path: &str) -> Address {
    if path == "/" {
        return Address::Ready;
    }
    if let Some(function) =
        Function::ALL.into_iter().find(|function| path.strip_prefix('/') == Some(function.name()))
    {
        return Address::Invocation(function);
    }
    let route = path.get(..5).filter(|prefix| prefix.eq_ignore_ascii_case("/api/")).map(|_| &path[5..]);
    let route = route.map(|route| route.strip_suffix('/').unwrap_or(route));
    let forwarded = |path: &str| {
        Function::ALL.into_iter().find(|f| f.route().is_some_and(|route| route.eq_ignore_ascii_case(path)))
    };
    route.and_then(forwarded).map_or(Address::Nothing, Address::Forwarded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_paths_match_whatever_the_case_and_payload_paths_exactly() {
        let forwarded = Address::Forwarded(Function::ApproveRelease);
        for path in ["/api/ApproveRelease", "/API/approverelease", "/api/APPROVERELEASE/"] {
            assert_eq!(address(path), forwarded, "{path}");
        }
        assert_eq!(address("/ApproveRelease"), Address::Invocation(Function::ApproveRelease));
        assert_eq!(address("/"), Address::Ready);
        for path in [
            "/approverelease",
            "/ApproveRelease/",
            "/api/ApproveRelease//",
            "/api/",
            "/api",
            "/Nope",
            "",
            "/é",
            "/apié",
        ] {
            assert_eq!(address(path), Address::Nothing, "{path}");
        }
    }
}
