// Command chdb sees to it that ClickHouse's engine is there, as a library that tests load, and prints its path. It has npm fetch
// chDB's package, checks it against the hash below, and keeps the library in a cache outside the clone:
//
//	CHDB_LIB_PATH=$(go run ./hack/chdb) go test ./collector/sink/...
package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/flowfleet/flowfleet/hack/binaries/build"
)

// The package, and the hash that npm's registry gives for it ("npm view PACKAGE@VERSION dist.integrity").
const (
	pkg     = "@chdb/lib-linux-x64-gnu"
	version = "26.5.3"
	hash    = "fPrLmRt5Moor9yGz4mazbrNje4t7X9KB2mTGkXFWRxRBs2iKy8yh6jx11xsa0Qr3iDFMU/yHqd+bVdYJXu3QaQ=="
	library = "libchdb.so"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	path, err := provide(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chdb:", err)
		os.Exit(1)
	}
	fmt.Println(path)
}

// provide returns the library's path, and fetches it first where it is missing.
func provide(ctx context.Context) (string, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return "", fmt.Errorf("chDB's package %s is for Linux on amd64", pkg)
	}
	cache, err := build.CacheDirectory()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, "chdb", version, library)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	temporary, err := os.MkdirTemp(filepath.Dir(path), "fetch-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(temporary) }()
	fmt.Fprintf(os.Stderr, "fetching ClickHouse's engine (%s %s, 160 MB)\n", pkg, version)
	command := exec.CommandContext(ctx, "npm", "pack", pkg+"@"+version, "--silent", "--pack-destination", temporary)
	command.Dir, command.Stderr = temporary, os.Stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("npm pack %s@%s: %w", pkg, version, err)
	}
	archives, err := filepath.Glob(filepath.Join(temporary, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return "", fmt.Errorf("npm pack left %d archives", len(archives))
	}
	whole := filepath.Join(temporary, library)
	if err := extract(archives[0], whole); err != nil {
		return "", fmt.Errorf("unpacking %s %s: %w", pkg, version, err)
	}
	return path, os.Rename(whole, path)
}

// extract writes the library out of an archive with the right hash.
func extract(archive, to string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	sum := sha512.New()
	if _, err := io.Copy(sum, file); err != nil {
		return err
	}
	if got := base64.StdEncoding.EncodeToString(sum.Sum(nil)); got != hash {
		return fmt.Errorf("the archive's SHA-512 is %s, not %s", got, hash)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	entries := tar.NewReader(unzipped)
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return errors.New("the archive has no " + library)
		}
		if err != nil {
			return err
		}
		if filepath.Base(header.Name) != library {
			continue
		}
		out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, entries)
		return errors.Join(err, out.Close())
	}
}
