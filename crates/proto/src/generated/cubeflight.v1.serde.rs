impl serde::Serialize for Bounds {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if self.min_x != 0. {
            len += 1;
        }
        if self.min_y != 0. {
            len += 1;
        }
        if self.max_x != 0. {
            len += 1;
        }
        if self.max_y != 0. {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("cubeflight.v1.Bounds", len)?;
        if self.min_x != 0. {
            struct_ser.serialize_field("minX", &self.min_x)?;
        }
        if self.min_y != 0. {
            struct_ser.serialize_field("minY", &self.min_y)?;
        }
        if self.max_x != 0. {
            struct_ser.serialize_field("maxX", &self.max_x)?;
        }
        if self.max_y != 0. {
            struct_ser.serialize_field("maxY", &self.max_y)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Bounds {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "min_x",
            "minX",
            "min_y",
            "minY",
            "max_x",
            "maxX",
            "max_y",
            "maxY",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            MinX,
            MinY,
            MaxX,
            MaxY,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "minX" | "min_x" => Ok(GeneratedField::MinX),
                            "minY" | "min_y" => Ok(GeneratedField::MinY),
                            "maxX" | "max_x" => Ok(GeneratedField::MaxX),
                            "maxY" | "max_y" => Ok(GeneratedField::MaxY),
                            _ => Err(serde::de::Error::unknown_field(value, FIELDS)),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Bounds;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct cubeflight.v1.Bounds")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Bounds, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut min_x__ = None;
                let mut min_y__ = None;
                let mut max_x__ = None;
                let mut max_y__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::MinX => {
                            if min_x__.is_some() {
                                return Err(serde::de::Error::duplicate_field("minX"));
                            }
                            min_x__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::MinY => {
                            if min_y__.is_some() {
                                return Err(serde::de::Error::duplicate_field("minY"));
                            }
                            min_y__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::MaxX => {
                            if max_x__.is_some() {
                                return Err(serde::de::Error::duplicate_field("maxX"));
                            }
                            max_x__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::MaxY => {
                            if max_y__.is_some() {
                                return Err(serde::de::Error::duplicate_field("maxY"));
                            }
                            max_y__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                    }
                }
                Ok(Bounds {
                    min_x: min_x__.unwrap_or_default(),
                    min_y: min_y__.unwrap_or_default(),
                    max_x: max_x__.unwrap_or_default(),
                    max_y: max_y__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("cubeflight.v1.Bounds", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for ColumnShape {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.path.is_empty() {
            len += 1;
        }
        if self.height != 0 {
            len += 1;
        }
        if self.width != 0 {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("cubeflight.v1.ColumnShape", len)?;
        if !self.path.is_empty() {
            struct_ser.serialize_field("path", &self.path)?;
        }
        if self.height != 0 {
            struct_ser.serialize_field("height", &self.height)?;
        }
        if self.width != 0 {
            struct_ser.serialize_field("width", &self.width)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for ColumnShape {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "path",
            "height",
            "width",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Path,
            Height,
            Width,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "path" => Ok(GeneratedField::Path),
                            "height" => Ok(GeneratedField::Height),
                            "width" => Ok(GeneratedField::Width),
                            _ => Err(serde::de::Error::unknown_field(value, FIELDS)),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = ColumnShape;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct cubeflight.v1.ColumnShape")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<ColumnShape, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut path__ = None;
                let mut height__ = None;
                let mut width__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Path => {
                            if path__.is_some() {
                                return Err(serde::de::Error::duplicate_field("path"));
                            }
                            path__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Height => {
                            if height__.is_some() {
                                return Err(serde::de::Error::duplicate_field("height"));
                            }
                            height__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Width => {
                            if width__.is_some() {
                                return Err(serde::de::Error::duplicate_field("width"));
                            }
                            width__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                    }
                }
                Ok(ColumnShape {
                    path: path__.unwrap_or_default(),
                    height: height__.unwrap_or_default(),
                    width: width__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("cubeflight.v1.ColumnShape", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for CubeRequest {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.collection.is_empty() {
            len += 1;
        }
        if !self.tile.is_empty() {
            len += 1;
        }
        if !self.datetime.is_empty() {
            len += 1;
        }
        if !self.bands.is_empty() {
            len += 1;
        }
        if self.bounds.is_some() {
            len += 1;
        }
        if !self.crs.is_empty() {
            len += 1;
        }
        if !self.align.is_empty() {
            len += 1;
        }
        if self.cloud_cover_max.is_some() {
            len += 1;
        }
        if !self.product_ids.is_empty() {
            len += 1;
        }
        if !self.radiometry.is_empty() {
            len += 1;
        }
        if !self.on_error.is_empty() {
            len += 1;
        }
        if self.max_message_bytes != 0 {
            len += 1;
        }
        if self.mask.is_some() {
            len += 1;
        }
        if self.min_valid.is_some() {
            len += 1;
        }
        if !self.group_by.is_empty() {
            len += 1;
        }
        if !self.filters.is_empty() {
            len += 1;
        }
        if self.reduce != 0 {
            len += 1;
        }
        if !self.windows.is_empty() {
            len += 1;
        }
        if self.ordered.is_some() {
            len += 1;
        }
        if !self.compression.is_empty() {
            len += 1;
        }
        if !self.times.is_empty() {
            len += 1;
        }
        if self.max_endpoints != 0 {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("cubeflight.v1.CubeRequest", len)?;
        if !self.collection.is_empty() {
            struct_ser.serialize_field("collection", &self.collection)?;
        }
        if !self.tile.is_empty() {
            struct_ser.serialize_field("tile", &self.tile)?;
        }
        if !self.datetime.is_empty() {
            struct_ser.serialize_field("datetime", &self.datetime)?;
        }
        if !self.bands.is_empty() {
            struct_ser.serialize_field("bands", &self.bands)?;
        }
        if let Some(v) = self.bounds.as_ref() {
            struct_ser.serialize_field("bounds", v)?;
        }
        if !self.crs.is_empty() {
            struct_ser.serialize_field("crs", &self.crs)?;
        }
        if !self.align.is_empty() {
            struct_ser.serialize_field("align", &self.align)?;
        }
        if let Some(v) = self.cloud_cover_max.as_ref() {
            struct_ser.serialize_field("cloudCoverMax", v)?;
        }
        if !self.product_ids.is_empty() {
            struct_ser.serialize_field("productIds", &self.product_ids)?;
        }
        if !self.radiometry.is_empty() {
            struct_ser.serialize_field("radiometry", &self.radiometry)?;
        }
        if !self.on_error.is_empty() {
            struct_ser.serialize_field("onError", &self.on_error)?;
        }
        if self.max_message_bytes != 0 {
            struct_ser.serialize_field("maxMessageBytes", &self.max_message_bytes)?;
        }
        if let Some(v) = self.mask.as_ref() {
            struct_ser.serialize_field("mask", v)?;
        }
        if let Some(v) = self.min_valid.as_ref() {
            struct_ser.serialize_field("minValid", v)?;
        }
        if !self.group_by.is_empty() {
            struct_ser.serialize_field("groupBy", &self.group_by)?;
        }
        if !self.filters.is_empty() {
            struct_ser.serialize_field("filters", &self.filters)?;
        }
        if self.reduce != 0 {
            struct_ser.serialize_field("reduce", &self.reduce)?;
        }
        if !self.windows.is_empty() {
            struct_ser.serialize_field("windows", &self.windows)?;
        }
        if let Some(v) = self.ordered.as_ref() {
            struct_ser.serialize_field("ordered", v)?;
        }
        if !self.compression.is_empty() {
            struct_ser.serialize_field("compression", &self.compression)?;
        }
        if !self.times.is_empty() {
            struct_ser.serialize_field("times", &self.times)?;
        }
        if self.max_endpoints != 0 {
            struct_ser.serialize_field("maxEndpoints", &self.max_endpoints)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for CubeRequest {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "collection",
            "tile",
            "datetime",
            "bands",
            "bounds",
            "crs",
            "align",
            "cloud_cover_max",
            "cloudCoverMax",
            "product_ids",
            "productIds",
            "radiometry",
            "on_error",
            "onError",
            "max_message_bytes",
            "maxMessageBytes",
            "mask",
            "min_valid",
            "minValid",
            "group_by",
            "groupBy",
            "filters",
            "reduce",
            "windows",
            "ordered",
            "compression",
            "times",
            "max_endpoints",
            "maxEndpoints",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Collection,
            Tile,
            Datetime,
            Bands,
            Bounds,
            Crs,
            Align,
            CloudCoverMax,
            ProductIds,
            Radiometry,
            OnError,
            MaxMessageBytes,
            Mask,
            MinValid,
            GroupBy,
            Filters,
            Reduce,
            Windows,
            Ordered,
            Compression,
            Times,
            MaxEndpoints,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "collection" => Ok(GeneratedField::Collection),
                            "tile" => Ok(GeneratedField::Tile),
                            "datetime" => Ok(GeneratedField::Datetime),
                            "bands" => Ok(GeneratedField::Bands),
                            "bounds" => Ok(GeneratedField::Bounds),
                            "crs" => Ok(GeneratedField::Crs),
                            "align" => Ok(GeneratedField::Align),
                            "cloudCoverMax" | "cloud_cover_max" => Ok(GeneratedField::CloudCoverMax),
                            "productIds" | "product_ids" => Ok(GeneratedField::ProductIds),
                            "radiometry" => Ok(GeneratedField::Radiometry),
                            "onError" | "on_error" => Ok(GeneratedField::OnError),
                            "maxMessageBytes" | "max_message_bytes" => Ok(GeneratedField::MaxMessageBytes),
                            "mask" => Ok(GeneratedField::Mask),
                            "minValid" | "min_valid" => Ok(GeneratedField::MinValid),
                            "groupBy" | "group_by" => Ok(GeneratedField::GroupBy),
                            "filters" => Ok(GeneratedField::Filters),
                            "reduce" => Ok(GeneratedField::Reduce),
                            "windows" => Ok(GeneratedField::Windows),
                            "ordered" => Ok(GeneratedField::Ordered),
                            "compression" => Ok(GeneratedField::Compression),
                            "times" => Ok(GeneratedField::Times),
                            "maxEndpoints" | "max_endpoints" => Ok(GeneratedField::MaxEndpoints),
                            _ => Err(serde::de::Error::unknown_field(value, FIELDS)),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = CubeRequest;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct cubeflight.v1.CubeRequest")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<CubeRequest, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut collection__ = None;
                let mut tile__ = None;
                let mut datetime__ = None;
                let mut bands__ = None;
                let mut bounds__ = None;
                let mut crs__ = None;
                let mut align__ = None;
                let mut cloud_cover_max__ = None;
                let mut product_ids__ = None;
                let mut radiometry__ = None;
                let mut on_error__ = None;
                let mut max_message_bytes__ = None;
                let mut mask__ = None;
                let mut min_valid__ = None;
                let mut group_by__ = None;
                let mut filters__ = None;
                let mut reduce__ = None;
                let mut windows__ = None;
                let mut ordered__ = None;
                let mut compression__ = None;
                let mut times__ = None;
                let mut max_endpoints__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Collection => {
                            if collection__.is_some() {
                                return Err(serde::de::Error::duplicate_field("collection"));
                            }
                            collection__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Tile => {
                            if tile__.is_some() {
                                return Err(serde::de::Error::duplicate_field("tile"));
                            }
                            tile__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Datetime => {
                            if datetime__.is_some() {
                                return Err(serde::de::Error::duplicate_field("datetime"));
                            }
                            datetime__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Bands => {
                            if bands__.is_some() {
                                return Err(serde::de::Error::duplicate_field("bands"));
                            }
                            bands__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Bounds => {
                            if bounds__.is_some() {
                                return Err(serde::de::Error::duplicate_field("bounds"));
                            }
                            bounds__ = map_.next_value()?;
                        }
                        GeneratedField::Crs => {
                            if crs__.is_some() {
                                return Err(serde::de::Error::duplicate_field("crs"));
                            }
                            crs__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Align => {
                            if align__.is_some() {
                                return Err(serde::de::Error::duplicate_field("align"));
                            }
                            align__ = Some(map_.next_value()?);
                        }
                        GeneratedField::CloudCoverMax => {
                            if cloud_cover_max__.is_some() {
                                return Err(serde::de::Error::duplicate_field("cloudCoverMax"));
                            }
                            cloud_cover_max__ = 
                                map_.next_value::<::std::option::Option<::pbjson::private::NumberDeserialize<_>>>()?.map(|x| x.0)
                            ;
                        }
                        GeneratedField::ProductIds => {
                            if product_ids__.is_some() {
                                return Err(serde::de::Error::duplicate_field("productIds"));
                            }
                            product_ids__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Radiometry => {
                            if radiometry__.is_some() {
                                return Err(serde::de::Error::duplicate_field("radiometry"));
                            }
                            radiometry__ = Some(map_.next_value()?);
                        }
                        GeneratedField::OnError => {
                            if on_error__.is_some() {
                                return Err(serde::de::Error::duplicate_field("onError"));
                            }
                            on_error__ = Some(map_.next_value()?);
                        }
                        GeneratedField::MaxMessageBytes => {
                            if max_message_bytes__.is_some() {
                                return Err(serde::de::Error::duplicate_field("maxMessageBytes"));
                            }
                            max_message_bytes__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Mask => {
                            if mask__.is_some() {
                                return Err(serde::de::Error::duplicate_field("mask"));
                            }
                            mask__ = map_.next_value()?;
                        }
                        GeneratedField::MinValid => {
                            if min_valid__.is_some() {
                                return Err(serde::de::Error::duplicate_field("minValid"));
                            }
                            min_valid__ = 
                                map_.next_value::<::std::option::Option<::pbjson::private::NumberDeserialize<_>>>()?.map(|x| x.0)
                            ;
                        }
                        GeneratedField::GroupBy => {
                            if group_by__.is_some() {
                                return Err(serde::de::Error::duplicate_field("groupBy"));
                            }
                            group_by__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Filters => {
                            if filters__.is_some() {
                                return Err(serde::de::Error::duplicate_field("filters"));
                            }
                            filters__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Reduce => {
                            if reduce__.is_some() {
                                return Err(serde::de::Error::duplicate_field("reduce"));
                            }
                            reduce__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Windows => {
                            if windows__.is_some() {
                                return Err(serde::de::Error::duplicate_field("windows"));
                            }
                            windows__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Ordered => {
                            if ordered__.is_some() {
                                return Err(serde::de::Error::duplicate_field("ordered"));
                            }
                            ordered__ = map_.next_value()?;
                        }
                        GeneratedField::Compression => {
                            if compression__.is_some() {
                                return Err(serde::de::Error::duplicate_field("compression"));
                            }
                            compression__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Times => {
                            if times__.is_some() {
                                return Err(serde::de::Error::duplicate_field("times"));
                            }
                            times__ = Some(map_.next_value()?);
                        }
                        GeneratedField::MaxEndpoints => {
                            if max_endpoints__.is_some() {
                                return Err(serde::de::Error::duplicate_field("maxEndpoints"));
                            }
                            max_endpoints__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                    }
                }
                Ok(CubeRequest {
                    collection: collection__.unwrap_or_default(),
                    tile: tile__.unwrap_or_default(),
                    datetime: datetime__.unwrap_or_default(),
                    bands: bands__.unwrap_or_default(),
                    bounds: bounds__,
                    crs: crs__.unwrap_or_default(),
                    align: align__.unwrap_or_default(),
                    cloud_cover_max: cloud_cover_max__,
                    product_ids: product_ids__.unwrap_or_default(),
                    radiometry: radiometry__.unwrap_or_default(),
                    on_error: on_error__.unwrap_or_default(),
                    max_message_bytes: max_message_bytes__.unwrap_or_default(),
                    mask: mask__,
                    min_valid: min_valid__,
                    group_by: group_by__.unwrap_or_default(),
                    filters: filters__.unwrap_or_default(),
                    reduce: reduce__.unwrap_or_default(),
                    windows: windows__.unwrap_or_default(),
                    ordered: ordered__,
                    compression: compression__.unwrap_or_default(),
                    times: times__.unwrap_or_default(),
                    max_endpoints: max_endpoints__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("cubeflight.v1.CubeRequest", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for CubeTicket {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if self.request.is_some() {
            len += 1;
        }
        if self.cost.is_some() {
            len += 1;
        }
        if self.first_step != 0 {
            len += 1;
        }
        if self.total_steps != 0 {
            len += 1;
        }
        if self.row_blocks != 0 {
            len += 1;
        }
        if !self.steps.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("cubeflight.v1.CubeTicket", len)?;
        if let Some(v) = self.request.as_ref() {
            struct_ser.serialize_field("request", v)?;
        }
        if let Some(v) = self.cost.as_ref() {
            struct_ser.serialize_field("cost", v)?;
        }
        if self.first_step != 0 {
            struct_ser.serialize_field("firstStep", &self.first_step)?;
        }
        if self.total_steps != 0 {
            struct_ser.serialize_field("totalSteps", &self.total_steps)?;
        }
        if self.row_blocks != 0 {
            struct_ser.serialize_field("rowBlocks", &self.row_blocks)?;
        }
        if !self.steps.is_empty() {
            struct_ser.serialize_field("steps", &self.steps)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for CubeTicket {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "request",
            "cost",
            "first_step",
            "firstStep",
            "total_steps",
            "totalSteps",
            "row_blocks",
            "rowBlocks",
            "steps",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Request,
            Cost,
            FirstStep,
            TotalSteps,
            RowBlocks,
            Steps,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "request" => Ok(GeneratedField::Request),
                            "cost" => Ok(GeneratedField::Cost),
                            "firstStep" | "first_step" => Ok(GeneratedField::FirstStep),
                            "totalSteps" | "total_steps" => Ok(GeneratedField::TotalSteps),
                            "rowBlocks" | "row_blocks" => Ok(GeneratedField::RowBlocks),
                            "steps" => Ok(GeneratedField::Steps),
                            _ => Err(serde::de::Error::unknown_field(value, FIELDS)),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = CubeTicket;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct cubeflight.v1.CubeTicket")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<CubeTicket, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut request__ = None;
                let mut cost__ = None;
                let mut first_step__ = None;
                let mut total_steps__ = None;
                let mut row_blocks__ = None;
                let mut steps__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Request => {
                            if request__.is_some() {
                                return Err(serde::de::Error::duplicate_field("request"));
                            }
                            request__ = map_.next_value()?;
                        }
                        GeneratedField::Cost => {
                            if cost__.is_some() {
                                return Err(serde::de::Error::duplicate_field("cost"));
                            }
                            cost__ = map_.next_value()?;
                        }
                        GeneratedField::FirstStep => {
                            if first_step__.is_some() {
                                return Err(serde::de::Error::duplicate_field("firstStep"));
                            }
                            first_step__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::TotalSteps => {
                            if total_steps__.is_some() {
                                return Err(serde::de::Error::duplicate_field("totalSteps"));
                            }
                            total_steps__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::RowBlocks => {
                            if row_blocks__.is_some() {
                                return Err(serde::de::Error::duplicate_field("rowBlocks"));
                            }
                            row_blocks__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Steps => {
                            if steps__.is_some() {
                                return Err(serde::de::Error::duplicate_field("steps"));
                            }
                            steps__ = Some(map_.next_value()?);
                        }
                    }
                }
                Ok(CubeTicket {
                    request: request__,
                    cost: cost__,
                    first_step: first_step__.unwrap_or_default(),
                    total_steps: total_steps__.unwrap_or_default(),
                    row_blocks: row_blocks__.unwrap_or_default(),
                    steps: steps__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("cubeflight.v1.CubeTicket", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Filter {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.property.is_empty() {
            len += 1;
        }
        if !self.op.is_empty() {
            len += 1;
        }
        if !self.values.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("cubeflight.v1.Filter", len)?;
        if !self.property.is_empty() {
            struct_ser.serialize_field("property", &self.property)?;
        }
        if !self.op.is_empty() {
            struct_ser.serialize_field("op", &self.op)?;
        }
        if !self.values.is_empty() {
            struct_ser.serialize_field("values", &self.values)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Filter {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "property",
            "op",
            "values",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Property,
            Op,
            Values,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "property" => Ok(GeneratedField::Property),
                            "op" => Ok(GeneratedField::Op),
                            "values" => Ok(GeneratedField::Values),
                            _ => Err(serde::de::Error::unknown_field(value, FIELDS)),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Filter;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct cubeflight.v1.Filter")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Filter, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut property__ = None;
                let mut op__ = None;
                let mut values__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Property => {
                            if property__.is_some() {
                                return Err(serde::de::Error::duplicate_field("property"));
                            }
                            property__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Op => {
                            if op__.is_some() {
                                return Err(serde::de::Error::duplicate_field("op"));
                            }
                            op__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Values => {
                            if values__.is_some() {
                                return Err(serde::de::Error::duplicate_field("values"));
                            }
                            values__ = Some(map_.next_value()?);
                        }
                    }
                }
                Ok(Filter {
                    property: property__.unwrap_or_default(),
                    op: op__.unwrap_or_default(),
                    values: values__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("cubeflight.v1.Filter", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for FlightFilter {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.collection.is_empty() {
            len += 1;
        }
        if !self.tile.is_empty() {
            len += 1;
        }
        if !self.kind.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("cubeflight.v1.FlightFilter", len)?;
        if !self.collection.is_empty() {
            struct_ser.serialize_field("collection", &self.collection)?;
        }
        if !self.tile.is_empty() {
            struct_ser.serialize_field("tile", &self.tile)?;
        }
        if !self.kind.is_empty() {
            struct_ser.serialize_field("kind", &self.kind)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for FlightFilter {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "collection",
            "tile",
            "kind",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Collection,
            Tile,
            Kind,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "collection" => Ok(GeneratedField::Collection),
                            "tile" => Ok(GeneratedField::Tile),
                            "kind" => Ok(GeneratedField::Kind),
                            _ => Err(serde::de::Error::unknown_field(value, FIELDS)),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = FlightFilter;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct cubeflight.v1.FlightFilter")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<FlightFilter, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut collection__ = None;
                let mut tile__ = None;
                let mut kind__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Collection => {
                            if collection__.is_some() {
                                return Err(serde::de::Error::duplicate_field("collection"));
                            }
                            collection__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Tile => {
                            if tile__.is_some() {
                                return Err(serde::de::Error::duplicate_field("tile"));
                            }
                            tile__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Kind => {
                            if kind__.is_some() {
                                return Err(serde::de::Error::duplicate_field("kind"));
                            }
                            kind__ = Some(map_.next_value()?);
                        }
                    }
                }
                Ok(FlightFilter {
                    collection: collection__.unwrap_or_default(),
                    tile: tile__.unwrap_or_default(),
                    kind: kind__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("cubeflight.v1.FlightFilter", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Missing {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.id.is_empty() {
            len += 1;
        }
        if !self.code.is_empty() {
            len += 1;
        }
        if !self.reason.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("cubeflight.v1.Missing", len)?;
        if !self.id.is_empty() {
            struct_ser.serialize_field("id", &self.id)?;
        }
        if !self.code.is_empty() {
            struct_ser.serialize_field("code", &self.code)?;
        }
        if !self.reason.is_empty() {
            struct_ser.serialize_field("reason", &self.reason)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Missing {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "id",
            "code",
            "reason",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Id,
            Code,
            Reason,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "id" => Ok(GeneratedField::Id),
                            "code" => Ok(GeneratedField::Code),
                            "reason" => Ok(GeneratedField::Reason),
                            _ => Err(serde::de::Error::unknown_field(value, FIELDS)),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Missing;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct cubeflight.v1.Missing")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Missing, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut id__ = None;
                let mut code__ = None;
                let mut reason__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Id => {
                            if id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("id"));
                            }
                            id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Code => {
                            if code__.is_some() {
                                return Err(serde::de::Error::duplicate_field("code"));
                            }
                            code__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Reason => {
                            if reason__.is_some() {
                                return Err(serde::de::Error::duplicate_field("reason"));
                            }
                            reason__ = Some(map_.next_value()?);
                        }
                    }
                }
                Ok(Missing {
                    id: id__.unwrap_or_default(),
                    code: code__.unwrap_or_default(),
                    reason: reason__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("cubeflight.v1.Missing", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for PlanSummary {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if self.time_steps != 0 {
            len += 1;
        }
        if !self.matched_ids.is_empty() {
            len += 1;
        }
        if !self.missing.is_empty() {
            len += 1;
        }
        if !self.shapes.is_empty() {
            len += 1;
        }
        if self.jp2_tiles != 0 {
            len += 1;
        }
        if self.requests != 0 {
            len += 1;
        }
        if self.bytes != 0 {
            len += 1;
        }
        if self.header_requests != 0 {
            len += 1;
        }
        if self.assets_without_index != 0 {
            len += 1;
        }
        if self.row_blocks != 0 {
            len += 1;
        }
        if self.estimated_requests != 0 {
            len += 1;
        }
        if self.estimated_bytes != 0 {
            len += 1;
        }
        if self.mask_requests != 0 {
            len += 1;
        }
        if self.mask_bytes != 0 {
            len += 1;
        }
        if self.estimated_seconds != 0. {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("cubeflight.v1.PlanSummary", len)?;
        if self.time_steps != 0 {
            struct_ser.serialize_field("timeSteps", &self.time_steps)?;
        }
        if !self.matched_ids.is_empty() {
            struct_ser.serialize_field("matchedIds", &self.matched_ids)?;
        }
        if !self.missing.is_empty() {
            struct_ser.serialize_field("missing", &self.missing)?;
        }
        if !self.shapes.is_empty() {
            struct_ser.serialize_field("shapes", &self.shapes)?;
        }
        if self.jp2_tiles != 0 {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("jp2Tiles", ToString::to_string(&self.jp2_tiles).as_str())?;
        }
        if self.requests != 0 {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("requests", ToString::to_string(&self.requests).as_str())?;
        }
        if self.bytes != 0 {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("bytes", ToString::to_string(&self.bytes).as_str())?;
        }
        if self.header_requests != 0 {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("headerRequests", ToString::to_string(&self.header_requests).as_str())?;
        }
        if self.assets_without_index != 0 {
            struct_ser.serialize_field("assetsWithoutIndex", &self.assets_without_index)?;
        }
        if self.row_blocks != 0 {
            struct_ser.serialize_field("rowBlocks", &self.row_blocks)?;
        }
        if self.estimated_requests != 0 {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("estimatedRequests", ToString::to_string(&self.estimated_requests).as_str())?;
        }
        if self.estimated_bytes != 0 {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("estimatedBytes", ToString::to_string(&self.estimated_bytes).as_str())?;
        }
        if self.mask_requests != 0 {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("maskRequests", ToString::to_string(&self.mask_requests).as_str())?;
        }
        if self.mask_bytes != 0 {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("maskBytes", ToString::to_string(&self.mask_bytes).as_str())?;
        }
        if self.estimated_seconds != 0. {
            struct_ser.serialize_field("estimatedSeconds", &self.estimated_seconds)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for PlanSummary {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "time_steps",
            "timeSteps",
            "matched_ids",
            "matchedIds",
            "missing",
            "shapes",
            "jp2_tiles",
            "jp2Tiles",
            "requests",
            "bytes",
            "header_requests",
            "headerRequests",
            "assets_without_index",
            "assetsWithoutIndex",
            "row_blocks",
            "rowBlocks",
            "estimated_requests",
            "estimatedRequests",
            "estimated_bytes",
            "estimatedBytes",
            "mask_requests",
            "maskRequests",
            "mask_bytes",
            "maskBytes",
            "estimated_seconds",
            "estimatedSeconds",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            TimeSteps,
            MatchedIds,
            Missing,
            Shapes,
            Jp2Tiles,
            Requests,
            Bytes,
            HeaderRequests,
            AssetsWithoutIndex,
            RowBlocks,
            EstimatedRequests,
            EstimatedBytes,
            MaskRequests,
            MaskBytes,
            EstimatedSeconds,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "timeSteps" | "time_steps" => Ok(GeneratedField::TimeSteps),
                            "matchedIds" | "matched_ids" => Ok(GeneratedField::MatchedIds),
                            "missing" => Ok(GeneratedField::Missing),
                            "shapes" => Ok(GeneratedField::Shapes),
                            "jp2Tiles" | "jp2_tiles" => Ok(GeneratedField::Jp2Tiles),
                            "requests" => Ok(GeneratedField::Requests),
                            "bytes" => Ok(GeneratedField::Bytes),
                            "headerRequests" | "header_requests" => Ok(GeneratedField::HeaderRequests),
                            "assetsWithoutIndex" | "assets_without_index" => Ok(GeneratedField::AssetsWithoutIndex),
                            "rowBlocks" | "row_blocks" => Ok(GeneratedField::RowBlocks),
                            "estimatedRequests" | "estimated_requests" => Ok(GeneratedField::EstimatedRequests),
                            "estimatedBytes" | "estimated_bytes" => Ok(GeneratedField::EstimatedBytes),
                            "maskRequests" | "mask_requests" => Ok(GeneratedField::MaskRequests),
                            "maskBytes" | "mask_bytes" => Ok(GeneratedField::MaskBytes),
                            "estimatedSeconds" | "estimated_seconds" => Ok(GeneratedField::EstimatedSeconds),
                            _ => Err(serde::de::Error::unknown_field(value, FIELDS)),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = PlanSummary;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct cubeflight.v1.PlanSummary")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<PlanSummary, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut time_steps__ = None;
                let mut matched_ids__ = None;
                let mut missing__ = None;
                let mut shapes__ = None;
                let mut jp2_tiles__ = None;
                let mut requests__ = None;
                let mut bytes__ = None;
                let mut header_requests__ = None;
                let mut assets_without_index__ = None;
                let mut row_blocks__ = None;
                let mut estimated_requests__ = None;
                let mut estimated_bytes__ = None;
                let mut mask_requests__ = None;
                let mut mask_bytes__ = None;
                let mut estimated_seconds__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::TimeSteps => {
                            if time_steps__.is_some() {
                                return Err(serde::de::Error::duplicate_field("timeSteps"));
                            }
                            time_steps__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::MatchedIds => {
                            if matched_ids__.is_some() {
                                return Err(serde::de::Error::duplicate_field("matchedIds"));
                            }
                            matched_ids__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Missing => {
                            if missing__.is_some() {
                                return Err(serde::de::Error::duplicate_field("missing"));
                            }
                            missing__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Shapes => {
                            if shapes__.is_some() {
                                return Err(serde::de::Error::duplicate_field("shapes"));
                            }
                            shapes__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Jp2Tiles => {
                            if jp2_tiles__.is_some() {
                                return Err(serde::de::Error::duplicate_field("jp2Tiles"));
                            }
                            jp2_tiles__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Requests => {
                            if requests__.is_some() {
                                return Err(serde::de::Error::duplicate_field("requests"));
                            }
                            requests__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Bytes => {
                            if bytes__.is_some() {
                                return Err(serde::de::Error::duplicate_field("bytes"));
                            }
                            bytes__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::HeaderRequests => {
                            if header_requests__.is_some() {
                                return Err(serde::de::Error::duplicate_field("headerRequests"));
                            }
                            header_requests__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::AssetsWithoutIndex => {
                            if assets_without_index__.is_some() {
                                return Err(serde::de::Error::duplicate_field("assetsWithoutIndex"));
                            }
                            assets_without_index__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::RowBlocks => {
                            if row_blocks__.is_some() {
                                return Err(serde::de::Error::duplicate_field("rowBlocks"));
                            }
                            row_blocks__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::EstimatedRequests => {
                            if estimated_requests__.is_some() {
                                return Err(serde::de::Error::duplicate_field("estimatedRequests"));
                            }
                            estimated_requests__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::EstimatedBytes => {
                            if estimated_bytes__.is_some() {
                                return Err(serde::de::Error::duplicate_field("estimatedBytes"));
                            }
                            estimated_bytes__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::MaskRequests => {
                            if mask_requests__.is_some() {
                                return Err(serde::de::Error::duplicate_field("maskRequests"));
                            }
                            mask_requests__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::MaskBytes => {
                            if mask_bytes__.is_some() {
                                return Err(serde::de::Error::duplicate_field("maskBytes"));
                            }
                            mask_bytes__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::EstimatedSeconds => {
                            if estimated_seconds__.is_some() {
                                return Err(serde::de::Error::duplicate_field("estimatedSeconds"));
                            }
                            estimated_seconds__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                    }
                }
                Ok(PlanSummary {
                    time_steps: time_steps__.unwrap_or_default(),
                    matched_ids: matched_ids__.unwrap_or_default(),
                    missing: missing__.unwrap_or_default(),
                    shapes: shapes__.unwrap_or_default(),
                    jp2_tiles: jp2_tiles__.unwrap_or_default(),
                    requests: requests__.unwrap_or_default(),
                    bytes: bytes__.unwrap_or_default(),
                    header_requests: header_requests__.unwrap_or_default(),
                    assets_without_index: assets_without_index__.unwrap_or_default(),
                    row_blocks: row_blocks__.unwrap_or_default(),
                    estimated_requests: estimated_requests__.unwrap_or_default(),
                    estimated_bytes: estimated_bytes__.unwrap_or_default(),
                    mask_requests: mask_requests__.unwrap_or_default(),
                    mask_bytes: mask_bytes__.unwrap_or_default(),
                    estimated_seconds: estimated_seconds__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("cubeflight.v1.PlanSummary", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for ReadCost {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if self.request_seconds != 0. {
            len += 1;
        }
        if self.bytes_per_second != 0. {
            len += 1;
        }
        if self.gap.is_some() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("cubeflight.v1.ReadCost", len)?;
        if self.request_seconds != 0. {
            struct_ser.serialize_field("requestSeconds", &self.request_seconds)?;
        }
        if self.bytes_per_second != 0. {
            struct_ser.serialize_field("bytesPerSecond", &self.bytes_per_second)?;
        }
        if let Some(v) = self.gap.as_ref() {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("gap", ToString::to_string(&v).as_str())?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for ReadCost {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "request_seconds",
            "requestSeconds",
            "bytes_per_second",
            "bytesPerSecond",
            "gap",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            RequestSeconds,
            BytesPerSecond,
            Gap,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "requestSeconds" | "request_seconds" => Ok(GeneratedField::RequestSeconds),
                            "bytesPerSecond" | "bytes_per_second" => Ok(GeneratedField::BytesPerSecond),
                            "gap" => Ok(GeneratedField::Gap),
                            _ => Err(serde::de::Error::unknown_field(value, FIELDS)),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = ReadCost;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct cubeflight.v1.ReadCost")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<ReadCost, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut request_seconds__ = None;
                let mut bytes_per_second__ = None;
                let mut gap__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::RequestSeconds => {
                            if request_seconds__.is_some() {
                                return Err(serde::de::Error::duplicate_field("requestSeconds"));
                            }
                            request_seconds__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::BytesPerSecond => {
                            if bytes_per_second__.is_some() {
                                return Err(serde::de::Error::duplicate_field("bytesPerSecond"));
                            }
                            bytes_per_second__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Gap => {
                            if gap__.is_some() {
                                return Err(serde::de::Error::duplicate_field("gap"));
                            }
                            gap__ = 
                                map_.next_value::<::std::option::Option<::pbjson::private::NumberDeserialize<_>>>()?.map(|x| x.0)
                            ;
                        }
                    }
                }
                Ok(ReadCost {
                    request_seconds: request_seconds__.unwrap_or_default(),
                    bytes_per_second: bytes_per_second__.unwrap_or_default(),
                    gap: gap__,
                })
            }
        }
        deserializer.deserialize_struct("cubeflight.v1.ReadCost", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for SclMask {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.scl.is_empty() {
            len += 1;
        }
        if self.dilate != 0. {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("cubeflight.v1.SclMask", len)?;
        if !self.scl.is_empty() {
            struct_ser.serialize_field("scl", &self.scl)?;
        }
        if self.dilate != 0. {
            struct_ser.serialize_field("dilate", &self.dilate)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for SclMask {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "scl",
            "dilate",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Scl,
            Dilate,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "scl" => Ok(GeneratedField::Scl),
                            "dilate" => Ok(GeneratedField::Dilate),
                            _ => Err(serde::de::Error::unknown_field(value, FIELDS)),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = SclMask;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct cubeflight.v1.SclMask")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<SclMask, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut scl__ = None;
                let mut dilate__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Scl => {
                            if scl__.is_some() {
                                return Err(serde::de::Error::duplicate_field("scl"));
                            }
                            scl__ = 
                                Some(map_.next_value::<Vec<::pbjson::private::NumberDeserialize<_>>>()?
                                    .into_iter().map(|x| x.0).collect())
                            ;
                        }
                        GeneratedField::Dilate => {
                            if dilate__.is_some() {
                                return Err(serde::de::Error::duplicate_field("dilate"));
                            }
                            dilate__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                    }
                }
                Ok(SclMask {
                    scl: scl__.unwrap_or_default(),
                    dilate: dilate__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("cubeflight.v1.SclMask", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for SignedTicket {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.key.is_empty() {
            len += 1;
        }
        if !self.ticket.is_empty() {
            len += 1;
        }
        if !self.signature.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("cubeflight.v1.SignedTicket", len)?;
        if !self.key.is_empty() {
            struct_ser.serialize_field("key", &self.key)?;
        }
        if !self.ticket.is_empty() {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("ticket", pbjson::private::base64::encode(&self.ticket).as_str())?;
        }
        if !self.signature.is_empty() {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("signature", pbjson::private::base64::encode(&self.signature).as_str())?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for SignedTicket {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "key",
            "ticket",
            "signature",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Key,
            Ticket,
            Signature,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "key" => Ok(GeneratedField::Key),
                            "ticket" => Ok(GeneratedField::Ticket),
                            "signature" => Ok(GeneratedField::Signature),
                            _ => Err(serde::de::Error::unknown_field(value, FIELDS)),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = SignedTicket;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct cubeflight.v1.SignedTicket")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<SignedTicket, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut key__ = None;
                let mut ticket__ = None;
                let mut signature__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Key => {
                            if key__.is_some() {
                                return Err(serde::de::Error::duplicate_field("key"));
                            }
                            key__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Ticket => {
                            if ticket__.is_some() {
                                return Err(serde::de::Error::duplicate_field("ticket"));
                            }
                            ticket__ = 
                                Some(map_.next_value::<::pbjson::private::BytesDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Signature => {
                            if signature__.is_some() {
                                return Err(serde::de::Error::duplicate_field("signature"));
                            }
                            signature__ = 
                                Some(map_.next_value::<::pbjson::private::BytesDeserialize<_>>()?.0)
                            ;
                        }
                    }
                }
                Ok(SignedTicket {
                    key: key__.unwrap_or_default(),
                    ticket: ticket__.unwrap_or_default(),
                    signature: signature__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("cubeflight.v1.SignedTicket", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Ticket {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if self.version != 0 {
            len += 1;
        }
        if !self.tenant.is_empty() {
            len += 1;
        }
        if self.expires != 0 {
            len += 1;
        }
        if !self.id.is_empty() {
            len += 1;
        }
        if self.content.is_some() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("cubeflight.v1.Ticket", len)?;
        if self.version != 0 {
            struct_ser.serialize_field("version", &self.version)?;
        }
        if !self.tenant.is_empty() {
            struct_ser.serialize_field("tenant", &self.tenant)?;
        }
        if self.expires != 0 {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("expires", ToString::to_string(&self.expires).as_str())?;
        }
        if !self.id.is_empty() {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("id", pbjson::private::base64::encode(&self.id).as_str())?;
        }
        if let Some(v) = self.content.as_ref() {
            match v {
                ticket::Content::Cube(v) => {
                    struct_ser.serialize_field("cube", v)?;
                }
                ticket::Content::Tlm(v) => {
                    struct_ser.serialize_field("tlm", v)?;
                }
            }
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Ticket {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "version",
            "tenant",
            "expires",
            "id",
            "cube",
            "tlm",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Version,
            Tenant,
            Expires,
            Id,
            Cube,
            Tlm,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "version" => Ok(GeneratedField::Version),
                            "tenant" => Ok(GeneratedField::Tenant),
                            "expires" => Ok(GeneratedField::Expires),
                            "id" => Ok(GeneratedField::Id),
                            "cube" => Ok(GeneratedField::Cube),
                            "tlm" => Ok(GeneratedField::Tlm),
                            _ => Err(serde::de::Error::unknown_field(value, FIELDS)),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Ticket;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct cubeflight.v1.Ticket")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Ticket, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut version__ = None;
                let mut tenant__ = None;
                let mut expires__ = None;
                let mut id__ = None;
                let mut content__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Version => {
                            if version__.is_some() {
                                return Err(serde::de::Error::duplicate_field("version"));
                            }
                            version__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Tenant => {
                            if tenant__.is_some() {
                                return Err(serde::de::Error::duplicate_field("tenant"));
                            }
                            tenant__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Expires => {
                            if expires__.is_some() {
                                return Err(serde::de::Error::duplicate_field("expires"));
                            }
                            expires__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Id => {
                            if id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("id"));
                            }
                            id__ = 
                                Some(map_.next_value::<::pbjson::private::BytesDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Cube => {
                            if content__.is_some() {
                                return Err(serde::de::Error::duplicate_field("cube"));
                            }
                            content__ = map_.next_value::<::std::option::Option<_>>()?.map(ticket::Content::Cube)
;
                        }
                        GeneratedField::Tlm => {
                            if content__.is_some() {
                                return Err(serde::de::Error::duplicate_field("tlm"));
                            }
                            content__ = map_.next_value::<::std::option::Option<_>>()?.map(ticket::Content::Tlm)
;
                        }
                    }
                }
                Ok(Ticket {
                    version: version__.unwrap_or_default(),
                    tenant: tenant__.unwrap_or_default(),
                    expires: expires__.unwrap_or_default(),
                    id: id__.unwrap_or_default(),
                    content: content__,
                })
            }
        }
        deserializer.deserialize_struct("cubeflight.v1.Ticket", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for TicketFile {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.asset.is_empty() {
            len += 1;
        }
        if !self.href.is_empty() {
            len += 1;
        }
        if self.size.is_some() {
            len += 1;
        }
        if self.etag.is_some() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("cubeflight.v1.TicketFile", len)?;
        if !self.asset.is_empty() {
            struct_ser.serialize_field("asset", &self.asset)?;
        }
        if !self.href.is_empty() {
            struct_ser.serialize_field("href", &self.href)?;
        }
        if let Some(v) = self.size.as_ref() {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("size", ToString::to_string(&v).as_str())?;
        }
        if let Some(v) = self.etag.as_ref() {
            struct_ser.serialize_field("etag", v)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for TicketFile {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "asset",
            "href",
            "size",
            "etag",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Asset,
            Href,
            Size,
            Etag,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "asset" => Ok(GeneratedField::Asset),
                            "href" => Ok(GeneratedField::Href),
                            "size" => Ok(GeneratedField::Size),
                            "etag" => Ok(GeneratedField::Etag),
                            _ => Err(serde::de::Error::unknown_field(value, FIELDS)),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = TicketFile;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct cubeflight.v1.TicketFile")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<TicketFile, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut asset__ = None;
                let mut href__ = None;
                let mut size__ = None;
                let mut etag__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Asset => {
                            if asset__.is_some() {
                                return Err(serde::de::Error::duplicate_field("asset"));
                            }
                            asset__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Href => {
                            if href__.is_some() {
                                return Err(serde::de::Error::duplicate_field("href"));
                            }
                            href__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Size => {
                            if size__.is_some() {
                                return Err(serde::de::Error::duplicate_field("size"));
                            }
                            size__ = 
                                map_.next_value::<::std::option::Option<::pbjson::private::NumberDeserialize<_>>>()?.map(|x| x.0)
                            ;
                        }
                        GeneratedField::Etag => {
                            if etag__.is_some() {
                                return Err(serde::de::Error::duplicate_field("etag"));
                            }
                            etag__ = map_.next_value()?;
                        }
                    }
                }
                Ok(TicketFile {
                    asset: asset__.unwrap_or_default(),
                    href: href__.unwrap_or_default(),
                    size: size__,
                    etag: etag__,
                })
            }
        }
        deserializer.deserialize_struct("cubeflight.v1.TicketFile", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for TicketPart {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if self.product.is_some() {
            len += 1;
        }
        if !self.alternatives.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("cubeflight.v1.TicketPart", len)?;
        if let Some(v) = self.product.as_ref() {
            struct_ser.serialize_field("product", v)?;
        }
        if !self.alternatives.is_empty() {
            struct_ser.serialize_field("alternatives", &self.alternatives)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for TicketPart {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "product",
            "alternatives",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Product,
            Alternatives,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "product" => Ok(GeneratedField::Product),
                            "alternatives" => Ok(GeneratedField::Alternatives),
                            _ => Err(serde::de::Error::unknown_field(value, FIELDS)),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = TicketPart;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct cubeflight.v1.TicketPart")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<TicketPart, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut product__ = None;
                let mut alternatives__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Product => {
                            if product__.is_some() {
                                return Err(serde::de::Error::duplicate_field("product"));
                            }
                            product__ = map_.next_value()?;
                        }
                        GeneratedField::Alternatives => {
                            if alternatives__.is_some() {
                                return Err(serde::de::Error::duplicate_field("alternatives"));
                            }
                            alternatives__ = Some(map_.next_value()?);
                        }
                    }
                }
                Ok(TicketPart {
                    product: product__,
                    alternatives: alternatives__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("cubeflight.v1.TicketPart", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for TicketProduct {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.id.is_empty() {
            len += 1;
        }
        if !self.files.is_empty() {
            len += 1;
        }
        if self.cloud_cover.is_some() {
            len += 1;
        }
        if self.snow_cover.is_some() {
            len += 1;
        }
        if self.no_data.is_some() {
            len += 1;
        }
        if self.sun_azimuth.is_some() {
            len += 1;
        }
        if self.sun_elevation.is_some() {
            len += 1;
        }
        if self.view_azimuth.is_some() {
            len += 1;
        }
        if self.view_incidence.is_some() {
            len += 1;
        }
        if self.sensing_time.is_some() {
            len += 1;
        }
        if !self.radiometric_offset.is_empty() {
            len += 1;
        }
        if self.quantification.is_some() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("cubeflight.v1.TicketProduct", len)?;
        if !self.id.is_empty() {
            struct_ser.serialize_field("id", &self.id)?;
        }
        if !self.files.is_empty() {
            struct_ser.serialize_field("files", &self.files)?;
        }
        if let Some(v) = self.cloud_cover.as_ref() {
            struct_ser.serialize_field("cloudCover", v)?;
        }
        if let Some(v) = self.snow_cover.as_ref() {
            struct_ser.serialize_field("snowCover", v)?;
        }
        if let Some(v) = self.no_data.as_ref() {
            struct_ser.serialize_field("noData", v)?;
        }
        if let Some(v) = self.sun_azimuth.as_ref() {
            struct_ser.serialize_field("sunAzimuth", v)?;
        }
        if let Some(v) = self.sun_elevation.as_ref() {
            struct_ser.serialize_field("sunElevation", v)?;
        }
        if let Some(v) = self.view_azimuth.as_ref() {
            struct_ser.serialize_field("viewAzimuth", v)?;
        }
        if let Some(v) = self.view_incidence.as_ref() {
            struct_ser.serialize_field("viewIncidence", v)?;
        }
        if let Some(v) = self.sensing_time.as_ref() {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("sensingTime", ToString::to_string(&v).as_str())?;
        }
        if !self.radiometric_offset.is_empty() {
            struct_ser.serialize_field("radiometricOffset", &self.radiometric_offset)?;
        }
        if let Some(v) = self.quantification.as_ref() {
            struct_ser.serialize_field("quantification", v)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for TicketProduct {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "id",
            "files",
            "cloud_cover",
            "cloudCover",
            "snow_cover",
            "snowCover",
            "no_data",
            "noData",
            "sun_azimuth",
            "sunAzimuth",
            "sun_elevation",
            "sunElevation",
            "view_azimuth",
            "viewAzimuth",
            "view_incidence",
            "viewIncidence",
            "sensing_time",
            "sensingTime",
            "radiometric_offset",
            "radiometricOffset",
            "quantification",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Id,
            Files,
            CloudCover,
            SnowCover,
            NoData,
            SunAzimuth,
            SunElevation,
            ViewAzimuth,
            ViewIncidence,
            SensingTime,
            RadiometricOffset,
            Quantification,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "id" => Ok(GeneratedField::Id),
                            "files" => Ok(GeneratedField::Files),
                            "cloudCover" | "cloud_cover" => Ok(GeneratedField::CloudCover),
                            "snowCover" | "snow_cover" => Ok(GeneratedField::SnowCover),
                            "noData" | "no_data" => Ok(GeneratedField::NoData),
                            "sunAzimuth" | "sun_azimuth" => Ok(GeneratedField::SunAzimuth),
                            "sunElevation" | "sun_elevation" => Ok(GeneratedField::SunElevation),
                            "viewAzimuth" | "view_azimuth" => Ok(GeneratedField::ViewAzimuth),
                            "viewIncidence" | "view_incidence" => Ok(GeneratedField::ViewIncidence),
                            "sensingTime" | "sensing_time" => Ok(GeneratedField::SensingTime),
                            "radiometricOffset" | "radiometric_offset" => Ok(GeneratedField::RadiometricOffset),
                            "quantification" => Ok(GeneratedField::Quantification),
                            _ => Err(serde::de::Error::unknown_field(value, FIELDS)),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = TicketProduct;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct cubeflight.v1.TicketProduct")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<TicketProduct, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut id__ = None;
                let mut files__ = None;
                let mut cloud_cover__ = None;
                let mut snow_cover__ = None;
                let mut no_data__ = None;
                let mut sun_azimuth__ = None;
                let mut sun_elevation__ = None;
                let mut view_azimuth__ = None;
                let mut view_incidence__ = None;
                let mut sensing_time__ = None;
                let mut radiometric_offset__ = None;
                let mut quantification__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Id => {
                            if id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("id"));
                            }
                            id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Files => {
                            if files__.is_some() {
                                return Err(serde::de::Error::duplicate_field("files"));
                            }
                            files__ = Some(map_.next_value()?);
                        }
                        GeneratedField::CloudCover => {
                            if cloud_cover__.is_some() {
                                return Err(serde::de::Error::duplicate_field("cloudCover"));
                            }
                            cloud_cover__ = 
                                map_.next_value::<::std::option::Option<::pbjson::private::NumberDeserialize<_>>>()?.map(|x| x.0)
                            ;
                        }
                        GeneratedField::SnowCover => {
                            if snow_cover__.is_some() {
                                return Err(serde::de::Error::duplicate_field("snowCover"));
                            }
                            snow_cover__ = 
                                map_.next_value::<::std::option::Option<::pbjson::private::NumberDeserialize<_>>>()?.map(|x| x.0)
                            ;
                        }
                        GeneratedField::NoData => {
                            if no_data__.is_some() {
                                return Err(serde::de::Error::duplicate_field("noData"));
                            }
                            no_data__ = 
                                map_.next_value::<::std::option::Option<::pbjson::private::NumberDeserialize<_>>>()?.map(|x| x.0)
                            ;
                        }
                        GeneratedField::SunAzimuth => {
                            if sun_azimuth__.is_some() {
                                return Err(serde::de::Error::duplicate_field("sunAzimuth"));
                            }
                            sun_azimuth__ = 
                                map_.next_value::<::std::option::Option<::pbjson::private::NumberDeserialize<_>>>()?.map(|x| x.0)
                            ;
                        }
                        GeneratedField::SunElevation => {
                            if sun_elevation__.is_some() {
                                return Err(serde::de::Error::duplicate_field("sunElevation"));
                            }
                            sun_elevation__ = 
                                map_.next_value::<::std::option::Option<::pbjson::private::NumberDeserialize<_>>>()?.map(|x| x.0)
                            ;
                        }
                        GeneratedField::ViewAzimuth => {
                            if view_azimuth__.is_some() {
                                return Err(serde::de::Error::duplicate_field("viewAzimuth"));
                            }
                            view_azimuth__ = 
                                map_.next_value::<::std::option::Option<::pbjson::private::NumberDeserialize<_>>>()?.map(|x| x.0)
                            ;
                        }
                        GeneratedField::ViewIncidence => {
                            if view_incidence__.is_some() {
                                return Err(serde::de::Error::duplicate_field("viewIncidence"));
                            }
                            view_incidence__ = 
                                map_.next_value::<::std::option::Option<::pbjson::private::NumberDeserialize<_>>>()?.map(|x| x.0)
                            ;
                        }
                        GeneratedField::SensingTime => {
                            if sensing_time__.is_some() {
                                return Err(serde::de::Error::duplicate_field("sensingTime"));
                            }
                            sensing_time__ = 
                                map_.next_value::<::std::option::Option<::pbjson::private::NumberDeserialize<_>>>()?.map(|x| x.0)
                            ;
                        }
                        GeneratedField::RadiometricOffset => {
                            if radiometric_offset__.is_some() {
                                return Err(serde::de::Error::duplicate_field("radiometricOffset"));
                            }
                            radiometric_offset__ = Some(
                                map_.next_value::<std::collections::HashMap<_, ::pbjson::private::NumberDeserialize<i32>>>()?
                                    .into_iter().map(|(k,v)| (k, v.0)).collect()
                            );
                        }
                        GeneratedField::Quantification => {
                            if quantification__.is_some() {
                                return Err(serde::de::Error::duplicate_field("quantification"));
                            }
                            quantification__ = 
                                map_.next_value::<::std::option::Option<::pbjson::private::NumberDeserialize<_>>>()?.map(|x| x.0)
                            ;
                        }
                    }
                }
                Ok(TicketProduct {
                    id: id__.unwrap_or_default(),
                    files: files__.unwrap_or_default(),
                    cloud_cover: cloud_cover__,
                    snow_cover: snow_cover__,
                    no_data: no_data__,
                    sun_azimuth: sun_azimuth__,
                    sun_elevation: sun_elevation__,
                    view_azimuth: view_azimuth__,
                    view_incidence: view_incidence__,
                    sensing_time: sensing_time__,
                    radiometric_offset: radiometric_offset__.unwrap_or_default(),
                    quantification: quantification__,
                })
            }
        }
        deserializer.deserialize_struct("cubeflight.v1.TicketProduct", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for TicketStep {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if self.time != 0 {
            len += 1;
        }
        if !self.parts.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("cubeflight.v1.TicketStep", len)?;
        if self.time != 0 {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("time", ToString::to_string(&self.time).as_str())?;
        }
        if !self.parts.is_empty() {
            struct_ser.serialize_field("parts", &self.parts)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for TicketStep {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "time",
            "parts",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Time,
            Parts,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "time" => Ok(GeneratedField::Time),
                            "parts" => Ok(GeneratedField::Parts),
                            _ => Err(serde::de::Error::unknown_field(value, FIELDS)),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = TicketStep;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct cubeflight.v1.TicketStep")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<TicketStep, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut time__ = None;
                let mut parts__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Time => {
                            if time__.is_some() {
                                return Err(serde::de::Error::duplicate_field("time"));
                            }
                            time__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Parts => {
                            if parts__.is_some() {
                                return Err(serde::de::Error::duplicate_field("parts"));
                            }
                            parts__ = Some(map_.next_value()?);
                        }
                    }
                }
                Ok(TicketStep {
                    time: time__.unwrap_or_default(),
                    parts: parts__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("cubeflight.v1.TicketStep", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for TlmQuery {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.collection.is_empty() {
            len += 1;
        }
        if !self.tile.is_empty() {
            len += 1;
        }
        if !self.datetime.is_empty() {
            len += 1;
        }
        if !self.bands.is_empty() {
            len += 1;
        }
        if !self.product_ids.is_empty() {
            len += 1;
        }
        if !self.detail.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("cubeflight.v1.TlmQuery", len)?;
        if !self.collection.is_empty() {
            struct_ser.serialize_field("collection", &self.collection)?;
        }
        if !self.tile.is_empty() {
            struct_ser.serialize_field("tile", &self.tile)?;
        }
        if !self.datetime.is_empty() {
            struct_ser.serialize_field("datetime", &self.datetime)?;
        }
        if !self.bands.is_empty() {
            struct_ser.serialize_field("bands", &self.bands)?;
        }
        if !self.product_ids.is_empty() {
            struct_ser.serialize_field("productIds", &self.product_ids)?;
        }
        if !self.detail.is_empty() {
            struct_ser.serialize_field("detail", &self.detail)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for TlmQuery {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "collection",
            "tile",
            "datetime",
            "bands",
            "product_ids",
            "productIds",
            "detail",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Collection,
            Tile,
            Datetime,
            Bands,
            ProductIds,
            Detail,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "collection" => Ok(GeneratedField::Collection),
                            "tile" => Ok(GeneratedField::Tile),
                            "datetime" => Ok(GeneratedField::Datetime),
                            "bands" => Ok(GeneratedField::Bands),
                            "productIds" | "product_ids" => Ok(GeneratedField::ProductIds),
                            "detail" => Ok(GeneratedField::Detail),
                            _ => Err(serde::de::Error::unknown_field(value, FIELDS)),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = TlmQuery;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct cubeflight.v1.TlmQuery")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<TlmQuery, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut collection__ = None;
                let mut tile__ = None;
                let mut datetime__ = None;
                let mut bands__ = None;
                let mut product_ids__ = None;
                let mut detail__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Collection => {
                            if collection__.is_some() {
                                return Err(serde::de::Error::duplicate_field("collection"));
                            }
                            collection__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Tile => {
                            if tile__.is_some() {
                                return Err(serde::de::Error::duplicate_field("tile"));
                            }
                            tile__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Datetime => {
                            if datetime__.is_some() {
                                return Err(serde::de::Error::duplicate_field("datetime"));
                            }
                            datetime__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Bands => {
                            if bands__.is_some() {
                                return Err(serde::de::Error::duplicate_field("bands"));
                            }
                            bands__ = Some(map_.next_value()?);
                        }
                        GeneratedField::ProductIds => {
                            if product_ids__.is_some() {
                                return Err(serde::de::Error::duplicate_field("productIds"));
                            }
                            product_ids__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Detail => {
                            if detail__.is_some() {
                                return Err(serde::de::Error::duplicate_field("detail"));
                            }
                            detail__ = Some(map_.next_value()?);
                        }
                    }
                }
                Ok(TlmQuery {
                    collection: collection__.unwrap_or_default(),
                    tile: tile__.unwrap_or_default(),
                    datetime: datetime__.unwrap_or_default(),
                    bands: bands__.unwrap_or_default(),
                    product_ids: product_ids__.unwrap_or_default(),
                    detail: detail__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("cubeflight.v1.TlmQuery", FIELDS, GeneratedVisitor)
    }
}
