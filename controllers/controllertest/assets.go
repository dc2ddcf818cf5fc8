package controllertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/flowfleet/flowfleet/hack/binaries/build"
)

// assets returns the directory with etcd, kube-apiserver and kubectl: KUBEBUILDER_ASSETS, else what hack/binaries has built.
// It builds nothing itself: that takes longer than the time limit of "go test".
func assets() (string, error) {
	if directory := os.Getenv("KUBEBUILDER_ASSETS"); directory != "" {
		return directory, nil
	}
	builder, err := build.New(io.Discard)
	if err != nil {
		return "", err
	}
	directory, err := builder.Built(context.Background(), "etcd", "kube-apiserver", "kubectl")
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("these tests need etcd, kube-apiserver and kubectl (%w). Type one of\n"+
			"    make test                                              # builds them first, once, in 8 to 15 minutes\n"+
			"    go run ./hack/binaries etcd kube-apiserver kubectl     # builds them only\n"+
			"    KUBEBUILDER_ASSETS=/directory/with/them go test ./...  # uses others\n"+
			"    go test -short ./...                                   # leaves these tests out", err)
	}
	return directory, err
}

// root returns the clone's directory.
func root() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for directory := start; ; directory = filepath.Dir(directory) {
		if _, err := os.Stat(filepath.Join(directory, "go.mod")); err == nil {
			return directory, nil
		}
		if directory == filepath.Dir(directory) {
			return "", fmt.Errorf("no go.mod in %s or above it", start)
		}
	}
}
