package image_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/flowfleet/flowfleet/hack/cluster/image"
)

func TestImageHoldsItsProgramsAndRunsAsNobodyInParticular(t *testing.T) {
	folder := t.TempDir()
	program := filepath.Join(folder, "program")
	if err := os.WriteFile(program, []byte("a program"), 0o600); err != nil {
		t.Fatal(err)
	}
	built := image.Image{Tag: "example.test/it:1", Files: map[string]string{"/usr/bin/it": program}, Entrypoint: []string{"/usr/bin/it"}}
	first, second := filepath.Join(folder, "1.tar"), filepath.Join(folder, "2.tar")
	for _, path := range []string{first, second} {
		if err := built.Write(path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(read(t, first), read(t, second)) {
		t.Error("equal content, different bytes")
	}

	tag, err := name.NewTag(built.Tag)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := tarball.ImageFromPath(first, &tag)
	if err != nil {
		t.Fatal(err)
	}
	config, err := loaded.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != image.Nonroot || !slices.Equal(config.Config.Entrypoint, built.Entrypoint) {
		t.Errorf("config: %+v", config.Config)
	}
	files := map[string]string{}
	contents := mutate.Extract(loaded)
	defer func() { _ = contents.Close() }()
	for reader := tar.NewReader(contents); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = header.FileInfo().Mode().String() + " " + string(content)
	}
	if got := files["usr/bin/it"]; got != "-rwxr-xr-x a program" {
		t.Errorf("program: %q", got)
	}
	for _, expected := range []string{"etc/passwd", "etc/group", "tmp", "usr", "usr/bin"} {
		if _, ok := files[expected]; !ok {
			t.Errorf("%s is missing", expected)
		}
	}
}

func TestImageSaysWhatIsMissing(t *testing.T) {
	target := filepath.Join(t.TempDir(), "x.tar")
	err := image.Image{Tag: "example.test/it:1", Files: map[string]string{"/it": "/nonesuch"}}.Write(target)
	if err == nil || !strings.Contains(err.Error(), "example.test/it:1") || !strings.Contains(err.Error(), "/nonesuch") {
		t.Errorf("got %v", err)
	}
	if err := (image.Image{Tag: "no tag"}).Write(target); err == nil {
		t.Error("a tag that is none")
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
