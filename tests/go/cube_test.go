// Package cubes reads cubes as a Go service would, from a server that runs the program under test.
package cubes

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const (
	b04 = "measurements/reflectance/r60m/b04"
	scl = "conditions/mask/l2a_classification/r20m/scl"
)

// Pixels of the 60 m grid: column, row, columns, rows. At 20 m everything is three times that.
var window = [4]int{700, 400, 500, 700}

type request struct {
	Tile            string             `json:"tile"`
	Datetime        string             `json:"datetime,omitempty"`
	Bands           []string           `json:"bands"`
	Bounds          map[string]float64 `json:"bounds,omitempty"`
	MaxMessageBytes uint32             `json:"maxMessageBytes,omitempty"`
}

func cube() request {
	const left, top = 499980.0, 5900040.0
	x, y := left+60*float64(window[0]), top-60*float64(window[1])
	return request{
		Tile:     tile,
		Datetime: "2022-10-05",
		Bands:    []string{"B04_60m", "SCL"},
		Bounds: map[string]float64{
			"minX": x, "maxX": x + 60*float64(window[2]),
			"minY": y - 60*float64(window[3]), "maxY": y,
		},
	}
}

func connect(t *testing.T, address string) flight.Client {
	t.Helper()
	plain := grpc.WithTransportCredentials(insecure.NewCredentials())
	client, err := flight.NewClientWithMiddleware(address, nil, nil, plain)
	check(t, err)
	t.Cleanup(func() { check(t, client.Close()) })
	return client
}

func descriptor(t *testing.T, request any) *flight.FlightDescriptor {
	t.Helper()
	command, err := json.Marshal(request)
	check(t, err)
	return &flight.FlightDescriptor{Type: flight.DescriptorCMD, Cmd: command}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Shapes of the columns, as GetFlightInfo says.
type summary struct {
	Shapes []struct {
		Path   string `json:"path"`
		Height int    `json:"height"`
		Width  int    `json:"width"`
	} `json:"shapes"`
}

func TestCube(t *testing.T) {
	place := newPlace(t)
	client := connect(t, place.serve(t))
	for _, limit := range []uint32{0, 300_000} {
		t.Run(fmt.Sprintf("limit %d", limit), func(t *testing.T) {
			wanted := cube()
			wanted.MaxMessageBytes = limit
			pixels := read(t, client, wanted)
			scale := func(factor int) string {
				numbers := make([]string, len(window))
				for i, number := range window {
					numbers[i] = fmt.Sprint(number * factor)
				}
				return strings.Join(numbers, ",")
			}
			same(t, "b04", pixels[b04], place.read(t, "B04_60m", scale(1)))
			same(t, "scl", pixels[scl], place.read(t, "SCL_20m", scale(3)))
		})
	}
}

func same(t *testing.T, name string, got, want []byte) {
	t.Helper()
	if len(want) == 0 || sum(want) == 0 {
		t.Fatalf("%s: nothing to compare with", name)
	}
	if sum(got) != sum(want) || sha256.Sum256(got) != sha256.Sum256(want) {
		t.Errorf("%s: %d bytes with sum %d, want %d with sum %d",
			name, len(got), sum(got), len(want), sum(want))
	}
}

func sum(values []byte) (total uint64) {
	for _, value := range values {
		total += uint64(value)
	}
	return total
}

// Reads a cube of one time step into little-endian rows, by column.
func read(t *testing.T, client flight.Client, wanted request) map[string][]byte {
	t.Helper()
	ctx := context.Background()
	info, err := client.GetFlightInfo(ctx, descriptor(t, wanted))
	check(t, err)
	var plan summary
	check(t, json.Unmarshal(info.AppMetadata, &plan))
	if len(info.Endpoint) != 1 || len(plan.Shapes) != len(wanted.Bands) {
		t.Fatalf("%d endpoints, %d shapes", len(info.Endpoint), len(plan.Shapes))
	}

	stream, err := client.DoGet(ctx, info.Endpoint[0].Ticket)
	check(t, err)
	reader, err := flight.NewRecordReader(stream)
	check(t, err)
	defer reader.Release()
	checkSchema(t, reader.Schema())
	pixels := make(map[string][]byte)
	rows := int64(0)
	for {
		batch, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		check(t, err)
		rows += batch.NumRows()
		for _, shape := range plan.Shapes {
			column := batch.Column(batch.Schema().FieldIndices(shape.Path)[0])
			pixels[shape.Path] = append(pixels[shape.Path], bytesOf(t, column)...)
		}
	}
	if rows != info.TotalRecords {
		t.Errorf("%d rows, %d were promised", rows, info.TotalRecords)
	}
	for _, shape := range plan.Shapes {
		// The last row-block is filled up.
		size := map[string]int{b04: 2, scl: 1}[shape.Path] * shape.Height * shape.Width
		if len(pixels[shape.Path]) < size {
			t.Fatalf("%s: %d bytes of %d", shape.Path, len(pixels[shape.Path]), size)
		}
		pixels[shape.Path] = pixels[shape.Path][:size]
	}
	return pixels
}

func bytesOf(t *testing.T, column arrow.Array) []byte {
	t.Helper()
	list, ok := column.(*array.FixedSizeList)
	if !ok {
		t.Fatalf("a column of %s", column.DataType())
	}
	if list.NullN() != 0 || list.Len() != 1 {
		t.Fatalf("%d tensors, %d of them null", list.Len(), list.NullN())
	}
	start, end := list.ValueOffsets(0)
	switch values := list.ListValues().(type) {
	case *array.Uint8:
		return bytes.Clone(values.Uint8Values()[start:end])
	case *array.Uint16:
		var buffer bytes.Buffer
		check(t, binary.Write(&buffer, binary.LittleEndian, values.Uint16Values()[start:end]))
		return buffer.Bytes()
	default:
		t.Fatalf("values of %s", values.DataType())
		return nil
	}
}

// Go knows no tensors: it sees their storage, and the metadata that say what it is.
func checkSchema(t *testing.T, schema *arrow.Schema) {
	t.Helper()
	for path, element := range map[string]arrow.Type{b04: arrow.UINT16, scl: arrow.UINT8} {
		fields, found := schema.FieldsByName(path)
		if !found || len(fields) != 1 {
			t.Fatalf("no column %s in %s", path, schema)
		}
		field := fields[0]
		list, ok := field.Type.(*arrow.FixedSizeListType)
		if !ok || list.Elem().ID() != element || field.Nullable {
			t.Fatalf("%s is %s", path, field)
		}
		get := func(key string) string {
			value, found := field.Metadata.GetValue(key)
			if !found {
				t.Errorf("%s has no %s", path, key)
			}
			return value
		}
		if name := get("ARROW:extension:name"); name != "arrow.fixed_shape_tensor" {
			t.Errorf("%s is a %s", path, name)
		}
		var tensor struct {
			Shape []int32  `json:"shape"`
			Names []string `json:"dim_names"`
		}
		check(t, json.Unmarshal([]byte(get("ARROW:extension:metadata")), &tensor))
		if len(tensor.Shape) != 2 || tensor.Shape[0]*tensor.Shape[1] != list.Len() {
			t.Errorf("%s: shape %v of %d elements", path, tensor.Shape, list.Len())
		}
		if strings.Join(tensor.Names, ",") != "y,x" {
			t.Errorf("%s: dimensions %v", path, tensor.Names)
		}
		if epsg := get("proj:epsg"); epsg != "32629" {
			t.Errorf("%s: proj:epsg %s", path, epsg)
		}
		for _, key := range []string{"_FillValue", "long_name", "proj:transform", "proj:shape"} {
			if get(key) == "" {
				t.Errorf("%s: %s is empty", path, key)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	place := newPlace(t)
	client := connect(t, place.serve(t))
	ctx := context.Background()
	_, err := client.GetFlightInfo(ctx, descriptor(t, request{Tile: tile, Bands: []string{"B99"}}))
	refused(t, err, codes.InvalidArgument, "CF-S2-013 ")
	stream, err := client.DoGet(ctx, &flight.Ticket{Ticket: []byte("no ticket")})
	check(t, err)
	_, err = stream.Recv()
	refused(t, err, codes.InvalidArgument, "CF-REQ-001 ")
	actions, err := client.DoAction(ctx, &flight.Action{Type: "dance"})
	check(t, err)
	_, err = actions.Recv()
	refused(t, err, codes.Unimplemented, "CF-FLT-001 ")
}

func refused(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	if status.Code(err) != code || !strings.HasPrefix(status.Convert(err).Message(), text) {
		t.Errorf("%v, want %s and %s", err, code, text)
	}
}

func (place *place) read(t *testing.T, band, window string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "pixels.raw")
	place.run(t, "read", place.file(band), "--window", window, "--out", out)
	pixels, err := os.ReadFile(out)
	check(t, err)
	return pixels
}
