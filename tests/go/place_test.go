package cubes

import (
	"bufio"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	tile    = "29UNU"
	product = "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454"
	folder  = "L2A_N0400_S2A_20221005_T29UNU"
	granule = "L2A_T29UNU_A038058_20221005T115407"
)

// A place has a part of a real product as it lies in the bucket, and its index.
type place struct {
	binary, root string
}

// newPlace skips the test without real data, which CI does not accept.
func newPlace(t *testing.T) *place {
	t.Helper()
	binary := os.Getenv("CUBEFLIGHT_BIN")
	if binary == "" {
		t.Fatal("set CUBEFLIGHT_BIN to the program under test (`make test-go` does)")
	}
	real := os.Getenv("CUBEFLIGHT_REALDATA")
	if real == "" {
		real = filepath.Join("..", "..", "..", "shared", "realdata")
	}
	if _, err := os.Stat(filepath.Join(real, "oracle.tsv")); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no real data: %v", err)
		}
		t.Skipf("no real data: %v", err)
	}
	place := &place{binary: binary, root: t.TempDir()}
	for band, source := range map[string]string{"B04_60m": "R60m", "SCL_20m": "R20m"} {
		name := "T29UNU_20221005T115411_" + band + ".jp2"
		content, err := os.ReadFile(filepath.Join(real, "jp2", folder, source, name))
		check(t, err)
		check(t, os.MkdirAll(filepath.Dir(place.file(band)), 0o755))
		check(t, os.WriteFile(place.file(band), content, 0o644))
	}
	check(t, os.Mkdir(filepath.Join(place.root, "index"), 0o755))
	place.run(t, append([]string{"index", "--assets", "all"}, place.stores()...)...)
	return place
}

func (place *place) file(band string) string {
	resolution := "R" + strings.Split(band, "_")[1]
	return filepath.Join(place.root, "store/eodata/Sentinel-2/MSI/L2A/2022/10/05",
		product+".SAFE", "GRANULE", granule, "IMG_DATA", resolution,
		"T29UNU_20221005T115411_"+band+".jp2")
}

func (place *place) stores() []string {
	at := func(name string) string {
		return (&url.URL{Scheme: "file", Path: filepath.Join(place.root, name)}).String()
	}
	return []string{"--store", at("store"), "--index", at("index")}
}

func (place *place) command(arguments ...string) *exec.Cmd {
	command := exec.Command(place.binary, arguments...)
	command.Stderr = os.Stderr
	return command
}

func (place *place) run(t *testing.T, arguments ...string) {
	t.Helper()
	if err := place.command(arguments...).Run(); err != nil {
		t.Fatalf("%v: %v", arguments, err)
	}
}

// serve starts a server on a free port, stops it after the test, and gives its address.
func (place *place) serve(t *testing.T) string {
	t.Helper()
	command := place.command(append([]string{"serve", "--listen", "127.0.0.1:0"}, place.stores()...)...)
	out, err := command.StdoutPipe()
	check(t, err)
	check(t, command.Start())
	// Closes the output, and with it ends a wait for the first line.
	giveUp := time.AfterFunc(time.Minute, func() { _ = command.Process.Kill() })
	t.Cleanup(func() {
		giveUp.Stop()
		_ = command.Process.Signal(syscall.SIGTERM)
		overdue := time.AfterFunc(20*time.Second, func() { _ = command.Process.Kill() })
		defer overdue.Stop()
		if err := command.Wait(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	var address string
	line, err := bufio.NewReader(out).ReadString('\n')
	check(t, err)
	_, err = fmt.Sscanf(line, "listening on grpc://%s", &address)
	check(t, err)
	giveUp.Stop()
	return address
}
