//! The server as a process: what it says of its health and of its services.

// Helpers of tests are tests too.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, missing_docs)]

mod process;

use std::time::Duration;

use arrow_flight::Ticket;
use arrow_flight::flight_service_client::FlightServiceClient;
use process::Server;
use tokio::net::TcpListener;
use tokio_stream::StreamExt;
use tonic::{Code, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

const FLIGHT: &str = "arrow.flight.protocol.FlightService";
/// Guards against a test that hangs.
const GUARD: Duration = Duration::from_secs(60);

async fn status(stream: &mut Streaming<HealthCheckResponse>) -> ServingStatus {
    let message = tokio::time::timeout(GUARD, stream.next()).await.expect("hangs");
    message.unwrap().unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_that_a_server_drains() {
    // A catalogue that never answers: a stream that is being planned until it is cut off.
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let catalog = format!("http://{}/", deaf.local_addr().unwrap());
    let mut server =
        Server::start(&["--catalog", &catalog, "--keep-alive", "1", "--grace", "3"]).await;
    let mut health = HealthClient::new(server.channel.clone());
    let ask = |service: &str| HealthCheckRequest { service: service.to_owned() };
    for service in ["", FLIGHT] {
        let answer = health.check(ask(service)).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    assert_eq!(health.check(ask("other")).await.unwrap_err().code(), Code::NotFound);
    let mut watched = health.watch(ask(FLIGHT)).await.unwrap().into_inner();
    assert_eq!(status(&mut watched).await, ServingStatus::Serving);

    let mut flight = FlightServiceClient::new(server.channel.clone());
    let request = r#"{"tile": "33TVN", "datetime": "2021", "bands": ["B08"]}"#;
    let mut stream = flight.do_get(Ticket::new(request)).await.unwrap().into_inner();
    assert!(!stream.next().await.unwrap().unwrap().data_header.is_empty());

    server.terminate();
    assert_eq!(status(&mut watched).await, ServingStatus::NotServing);
    let answer = health.check(ask("")).await.unwrap().into_inner();
    assert_eq!(answer.status(), ServingStatus::NotServing);
    let refused = flight.do_get(Ticket::new(request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().starts_with("CF-FLT-008 "), "{refused}");
    let ended = loop {
        match tokio::time::timeout(GUARD, stream.next()).await.expect("hangs").unwrap() {
            Ok(message) => assert!(!message.data_header.is_empty()),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::Unavailable);
    assert!(ended.message().starts_with("CF-FLT-009 "), "{ended}");
    // what watches its health does not keep it
    let done = tokio::task::spawn_blocking(move || {
        let code = server.process.wait().unwrap().code();
        (server, code)
    });
    let (_server, code) = tokio::time::timeout(GUARD, done).await.expect("hangs").unwrap();
    assert_eq!(code, Some(0));
}

/// What a server answers to one question.
async fn reflected(server: &Server, question: MessageRequest) -> Result<MessageResponse, Code> {
    let mut client = ServerReflectionClient::new(server.channel.clone());
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let answers = client.server_reflection_info(tokio_stream::once(request)).await;
    let mut answers = answers.map_err(|status| status.code())?.into_inner();
    let answer = answers.next().await.unwrap().map_err(|status| status.code())?;
    Ok(answer.message_response.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_described_to_who_asks_if_that_is_wanted() {
    let list = || MessageRequest::ListServices(String::new());
    let silent = Server::start(&[]).await;
    assert_eq!(reflected(&silent, list()).await.unwrap_err(), Code::Unimplemented);

    let server = Server::start(&["--reflection"]).await;
    let MessageResponse::ListServicesResponse(services) = reflected(&server, list()).await.unwrap()
    else {
        panic!("no list of services")
    };
    let names: Vec<String> = services.service.into_iter().map(|service| service.name).collect();
    for name in [FLIGHT, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"] {
        assert!(names.iter().any(|known| known == name), "{name} in {names:?}");
    }
    for symbol in [FLIGHT, "arrow.flight.protocol.FlightData", "cubeflight.v1.CubeRequest"] {
        let question = MessageRequest::FileContainingSymbol(symbol.to_owned());
        let MessageResponse::FileDescriptorResponse(files) =
            reflected(&server, question).await.unwrap()
        else {
            panic!("{symbol} is not described")
        };
        let short = symbol.rsplit('.').next().unwrap().as_bytes();
        let holds = |file: &Vec<u8>| file.windows(short.len()).any(|part| part == short);
        assert!(files.file_descriptor_proto.iter().any(holds), "{symbol}");
    }
}
