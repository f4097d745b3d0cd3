//! ListFlights: what there is, by tile.

use arrow_flight::{Criteria, FlightDescriptor, FlightInfo};
use cubeflight_index::TableInfo;
use cubeflight_proto::{Error, decode_filter};
use cubeflight_sentinel2::{Level, MgrsTile};
use tonic::Status;

use crate::CubeFlight;
use crate::caller::Caller;
use crate::convert::{discovered, domain};
use crate::get_schema::schema;
use crate::status::{from_batch, from_domain, from_engine, from_request};
use crate::tlm::{Query, summary};

impl CubeFlight {
    /// For every tile that the index knows its cube and its table of records.
    pub(crate) async fn list(
        &self,
        caller: &Caller,
        criteria: &Criteria,
    ) -> Result<Vec<FlightInfo>, Status> {
        let filter = decode_filter(&criteria.expression).map_err(|error| from_request(&error))?;
        let (cubes, tables) = match filter.kind.as_str() {
            "" => (true, true),
            "cube" => (true, false),
            "tlm" => (false, true),
            other => {
                let value = other.chars().take(80).collect();
                let known = "cube, tlm";
                return Err(from_request(&Error::UnknownWord { field: "kind", value, known }));
            }
        };
        let level = given::<Level>(&filter.collection)?;
        let tile = given::<MgrsTile>(&filter.tile)?;
        let mut infos = Vec::new();
        for table in self.tables(level, tile).await? {
            if cubes {
                infos.push(self.cube_of(&table).await?);
            }
            if tables {
                let query = Query::table(table.level, table.tile);
                let descriptor = query.descriptor();
                infos.push(self.table_info(caller, &query, &table, descriptor, table.records)?);
            }
        }
        Ok(infos)
    }

    /// The whole tile, without endpoints: GetFlightInfo plans them.
    async fn cube_of(&self, table: &TableInfo) -> Result<FlightInfo, Status> {
        let request = domain(&discovered(table.level, table.tile))?;
        let layout = self.engine().layout(&request).await;
        let schema = schema(&*layout.map_err(|error| from_engine(&error))?, &request)?;
        let path = [table.level.collection().to_owned(), table.tile.to_string()];
        let info = FlightInfo::new().try_with_schema(&schema);
        let info = info.map_err(|error| from_batch(&error.into()))?;
        Ok(info
            .with_descriptor(FlightDescriptor::new_path(path.into()))
            .with_total_records(-1)
            .with_total_bytes(-1)
            .with_ordered(true)
            .with_app_metadata(summary(table).to_string()))
    }
}

/// A word of the domain, unless it is empty.
fn given<T: std::str::FromStr<Err = cubeflight_sentinel2::Error>>(
    word: &str,
) -> Result<Option<T>, Status> {
    match word {
        "" => Ok(None),
        _ => word.parse().map(Some).map_err(|error| from_domain(&error)),
    }
}
