//! The yardstick: what actix-web and reqwest cost by themselves. One worker, one pooled client, the same dispatch to
//! GitHub, and not one check.

use std::{net::Ipv4Addr, time::Duration};

use actix_web::{
    App, HttpResponse, HttpServer,
    error::ErrorBadGateway,
    http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
    web,
};
use anyhow::{Context, Result};

struct GitHub {
    client: reqwest::Client,
    dispatches: String,
}

pub fn serve(port: u16, github: String) -> Result<()> {
    let github = web::Data::new(GitHub {
        client: client()?,
        dispatches: format!("{github}/repos/{}/dispatches", crate::click::REPOSITORY),
    });
    let server = HttpServer::new(move || {
        App::new()
            .app_data(github.clone())
            .route("/", web::get().to(HttpResponse::Ok))
            .route("/api/ApproveRelease", web::post().to(click))
    })
    .workers(1)
    .bind((Ipv4Addr::LOCALHOST, port))
    .context("cannot listen")?;
    actix_web::rt::System::new().block_on(server.run()).context("cannot serve")
}

/// Without certificates: it speaks to loopback only.
fn client() -> Result<reqwest::Client> {
    // An error only says that there is a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .tls_certs_only([])
        .no_proxy()
        .timeout(Duration::from_secs(4))
        .build()
        .context("cannot build the client")
}

async fn click(body: web::Bytes, github: web::Data<GitHub>) -> actix_web::Result<HttpResponse> {
    let answer = github
        .client
        .post(&github.dispatches)
        .header(AUTHORIZATION.as_str(), "Bearer bench")
        .header(ACCEPT.as_str(), "application/vnd.github+json")
        .header("X-GitHub-Api-Version", "2022-11-28")
        .header(USER_AGENT.as_str(), "bare-actix-web")
        .header(CONTENT_TYPE.as_str(), "application/json")
        .body(body)
        .send()
        .await
        .map_err(ErrorBadGateway)?;
    answer.error_for_status().map_err(ErrorBadGateway)?;
    Ok(HttpResponse::Ok()
        .insert_header(("CARD-ACTION-STATUS", "Sent."))
        .content_type("application/json")
        .body(r#"{"outcome":"dispatched","message":"Sent."}"#))
}
