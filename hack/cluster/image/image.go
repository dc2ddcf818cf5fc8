// Package image makes container images from static programs, without a registry or a container engine.
package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Nonroot is the user that images run as, as in distroless images.
const Nonroot = "65532:65532"

// Image is what an image holds.
type Image struct {
	Tag        string            // with registry and tag: flowfleet.io/flowfleet:dev
	Files      map[string]string // path in the image -> path of the executable on this machine
	Entrypoint []string
	User       string // empty: Nonroot
}

// Write writes the image as "docker save" does. Equal content gives equal bytes.
func (i Image) Write(path string) error {
	tag, err := name.NewTag(i.Tag, name.StrictValidation)
	if err != nil {
		return err
	}
	built, err := i.build()
	if err != nil {
		return fmt.Errorf("image %s: %w", i.Tag, err)
	}
	if err := tarball.WriteToFile(path, tag, built); err != nil {
		return fmt.Errorf("image %s: %w", i.Tag, err)
	}
	return nil
}

func (i Image) build() (v1.Image, error) {
	content, err := i.layer()
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}, tarball.WithMediaType(types.DockerLayer), tarball.WithCompressionLevel(1))
	if err != nil {
		return nil, err
	}
	built, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	config, err := built.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Created = v1.Time{Time: time.Unix(0, 0)}
	config.Config.Entrypoint = i.Entrypoint
	config.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	config.Config.User = i.User
	if i.User == "" {
		config.Config.User = Nonroot
	}
	return mutate.ConfigFile(built, config)
}

// layer returns a tar of the files, their folders, and the few files that programs expect of a system.
func (i Image) layer() ([]byte, error) {
	var out bytes.Buffer
	writer := tar.NewWriter(&out)
	folders := map[string]bool{}
	add := func(file string, mode int64, content []byte) error {
		for folder := path.Dir(strings.TrimPrefix(file, "/")); folder != "."; folder = path.Dir(folder) {
			folders[folder] = true
		}
		header := &tar.Header{Name: strings.TrimPrefix(file, "/"), Mode: mode, Size: int64(len(content)), ModTime: time.Unix(0, 0)}
		if err := writer.WriteHeader(header); err != nil {
			return err
		}
		_, err := writer.Write(content)
		return err
	}
	if err := add("/etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n")); err != nil {
		return nil, err
	}
	if err := add("/etc/group", 0o644, []byte("root:x:0:\nnonroot:x:65532:\n")); err != nil {
		return nil, err
	}
	for _, target := range slices.Sorted(maps.Keys(i.Files)) {
		content, err := os.ReadFile(i.Files[target])
		if err != nil {
			return nil, err
		}
		if err := add(target, 0o755, content); err != nil {
			return nil, err
		}
	}
	folders["tmp"] = true
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		mode := int64(0o755)
		if folder == "tmp" {
			mode = 0o1777
		}
		header := &tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: mode, ModTime: time.Unix(0, 0)}
		if err := writer.WriteHeader(header); err != nil {
			return nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
