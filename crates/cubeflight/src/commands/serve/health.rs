//! grpc.health.v1: whether calls are taken.

use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

/// The server as a whole, and its Flight service.
const SERVICES: [&str; 2] = ["", "arrow.flight.protocol.FlightService"];

/// What the health service says. Whoever watches a service is told of changes.
#[derive(Debug, Clone)]
pub(crate) struct Health(HealthReporter);

impl Health {
    /// Everything serves from now on.
    pub(crate) async fn begin() -> (Self, HealthServer<HealthService>) {
        let health = Self(HealthReporter::new());
        health.set(ServingStatus::Serving).await;
        let service = HealthService::from_health_reporter(health.0.clone());
        (health, HealthServer::new(service))
    }

    /// Nothing does any more.
    pub(crate) async fn not_serving(&self) {
        self.set(ServingStatus::NotServing).await;
    }

    async fn set(&self, status: ServingStatus) {
        for service in SERVICES {
            self.0.set_service_status(service, status).await;
        }
    }
}
