// Package library has ClickHouse's engine as a library: chDB's package, which npm fetches, checked against the hash below, and kept in a cache
// outside the clone.
package library

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
	"path/filepath"
	"runtime"

	"github.com/flowfleet/flowfleet/hack/binaries/build"
)

// Variable of the environment that names the library; chDB's own programs read it too.
const Variable = "CHDB_LIB_PATH"

// The package, and the hash that npm's registry gives for it ("npm view PACKAGE@VERSION dist.integrity").
const (
	pkg     = "@chdb/lib-linux-x64-gnu"
	version = "26.5.3"
	hash    = "fPrLmRt5Moor9yGz4mazbrNje4t7X9KB2mTGkXFWRxRBs2iKy8yh6jx11xsa0Qr3iDFMU/yHqd+bVdYJXu3QaQ=="
	file    = "libchdb.so"
)

// Find returns the library's path: that of CHDB_LIB_PATH where it is set, else the one in the cache. Where it was not fetched yet, the error
// is fs.ErrNotExist.
func Find() (string, error) {
	path := os.Getenv(Variable)
	if path == "" {
		var err error
		if path, err = cached(); err != nil {
			return "", err
		}
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("ClickHouse's engine: %w", err)
	}
	return path, nil
}

// cached returns where the library is in the cache once it was fetched.
func cached() (string, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return "", fmt.Errorf("chDB's package %s is for Linux on amd64", pkg)
	}
	cache, err := build.CacheDirectory()
	return filepath.Join(cache, "chdb", version, file), err
}

// Fetch returns the path of the library in the cache, and fetches it first where it is missing.
func Fetch(ctx context.Context) (string, error) {
	path, err := cached()
	if err != nil {
		return "", err
	}
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
	whole := filepath.Join(temporary, file)
	if err := extract(archives[0], whole); err != nil {
		return "", fmt.Errorf("unpacking %s %s: %w", pkg, version, err)
	}
	return path, os.Rename(whole, path)
}

// extract writes the library out of an archive with the right hash.
func extract(archive, to string) error {
	packed, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { _ = packed.Close() }()
	sum := sha512.New()
	if _, err := io.Copy(sum, packed); err != nil {
		return err
	}
	if got := base64.StdEncoding.EncodeToString(sum.Sum(nil)); got != hash {
		return fmt.Errorf("the archive's SHA-512 is %s, not %s", got, hash)
	}
	if _, err := packed.Seek(0, io.SeekStart); err != nil {
		return err
	}
	unzipped, err := gzip.NewReader(packed)
	if err != nil {
		return err
	}
	entries := tar.NewReader(unzipped)
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return errors.New("the archive has no " + file)
		}
		if err != nil {
			return err
		}
		if filepath.Base(header.Name) != file {
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
