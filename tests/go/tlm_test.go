package cubes

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

// A table as ListFlights describes it.
type table struct {
	Collection  string `json:"collection"`
	Tile        string `json:"tile"`
	Records     int64  `json:"records"`
	WithPackets int64  `json:"with_packets"`
}

// Where the tile-parts of a file lie.
type tileParts struct {
	tiles   []uint16
	offsets []uint64
	lengths []uint32
}

func TestTables(t *testing.T) {
	place := newPlace(t)
	client := connect(t, place.serve(t))
	ctx := context.Background()
	stream, err := client.ListFlights(ctx, &flight.Criteria{Expression: []byte(`{"kind": "tlm"}`)})
	check(t, err)
	info, err := stream.Recv()
	check(t, err)
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Fatalf("after the only table: %v", err)
	}
	var listed table
	check(t, json.Unmarshal(info.AppMetadata, &listed))
	if (listed != table{"sentinel-2-l2a", tile, 2, 2}) || info.TotalRecords != 2 {
		t.Errorf("%+v, %d records", listed, info.TotalRecords)
	}

	path := info.FlightDescriptor.Path
	if !slices.Equal(path, []string{"tlm", "sentinel-2-l2a", tile}) {
		t.Fatalf("path %v", path)
	}
	records, trailer := fetch(t, client, append(path, "detail=packets")...)
	if len(records) != 2 {
		t.Fatalf("%d records", len(records))
	}
	if rows := number(t, trailer, "x-cubeflight-rows"); rows != 2 {
		t.Errorf("%d rows in the trailers", rows)
	}
	number(t, trailer, "x-cubeflight-elapsed-ms")
	for band, parts := range records {
		checkFile(t, place.file(band), parts)
	}

	one, _ := fetch(t, client, append(path, "bands=SCL")...)
	if _, found := one["SCL_20m"]; !found || len(one) != 1 {
		t.Errorf("records of SCL: %v", one)
	}
	if none, _ := fetch(t, client, append(path, "datetime=1999")...); len(none) != 0 {
		t.Errorf("records of 1999: %v", none)
	}
	_, err = client.GetFlightInfo(ctx, at(append(path, "bands=B99")...))
	refused(t, err, codes.InvalidArgument, "CF-S2-013 ")
	_, err = client.GetFlightInfo(ctx, at("tlm", "sentinel-2-l2a", "33TVN"))
	refused(t, err, codes.NotFound, "CF-FLT-005 ")
}

func at(path ...string) *flight.FlightDescriptor {
	return &flight.FlightDescriptor{Type: flight.DescriptorPATH, Path: path}
}

// Records by band, and the trailers of their stream.
func fetch(t *testing.T, client flight.Client, path ...string) (map[string]tileParts, metadata.MD) {
	t.Helper()
	ctx := context.Background()
	info, err := client.GetFlightInfo(ctx, at(path...))
	check(t, err)
	stream, err := client.DoGet(ctx, info.Endpoint[0].Ticket)
	check(t, err)
	reader, err := flight.NewRecordReader(stream)
	check(t, err)
	defer reader.Release()
	records := make(map[string]tileParts)
	for {
		batch, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		check(t, err)
		bands := column[*array.String](t, batch, "band_id")
		tiles, offsets, lengths := list(t, batch, "tiles"), list(t, batch, "offsets"), list(t, batch, "lengths")
		for row := range int(batch.NumRows()) {
			start, end := offsets.ValueOffsets(row)
			records[bands.Value(row)] = tileParts{
				tiles.ListValues().(*array.Uint16).Uint16Values()[start:end],
				offsets.ListValues().(*array.Uint64).Uint64Values()[start:end],
				lengths.ListValues().(*array.Uint32).Uint32Values()[start:end],
			}
		}
	}
	if int64(len(records)) != info.TotalRecords {
		t.Errorf("%d records, %d were promised", len(records), info.TotalRecords)
	}
	return records, stream.Trailer()
}

func list(t *testing.T, batch arrow.RecordBatch, name string) *array.List {
	t.Helper()
	return column[*array.List](t, batch, "tile_part_"+name)
}

func column[T arrow.Array](t *testing.T, batch arrow.RecordBatch, name string) T {
	t.Helper()
	indices := batch.Schema().FieldIndices(name)
	if len(indices) != 1 {
		t.Fatalf("no column %s in %s", name, batch.Schema())
	}
	values, ok := batch.Column(indices[0]).(T)
	if !ok {
		t.Fatalf("%s is a column of %s", name, batch.Column(indices[0]).DataType())
	}
	return values
}

// Each tile-part begins with an SOT marker segment that names its tile and its length.
func checkFile(t *testing.T, path string, parts tileParts) {
	t.Helper()
	content, err := os.ReadFile(path)
	check(t, err)
	if len(parts.tiles) == 0 {
		t.Errorf("no tile-parts of %s", path)
	}
	for i, offset := range parts.offsets {
		sot := content[offset : offset+10]
		marker, tile := binary.BigEndian.Uint32(sot), binary.BigEndian.Uint16(sot[4:])
		length := binary.BigEndian.Uint32(sot[6:])
		if marker != 0xff90_000a || tile != parts.tiles[i] || length != parts.lengths[i] {
			t.Errorf("%s: tile-part %d at %d begins with %x", path, i, offset, sot)
		}
	}
}

func number(t *testing.T, trailer metadata.MD, name string) int {
	t.Helper()
	values := trailer.Get(name)
	if len(values) != 1 {
		t.Fatalf("%s is %v in %v", name, values, trailer)
	}
	value, err := strconv.Atoi(values[0])
	check(t, err)
	return value
}
