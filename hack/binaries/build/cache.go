package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// CacheDirectory returns where what takes long to make is kept: $FLOWFLEET_CACHE, else flowfleet in the user's cache
// directory ($XDG_CACHE_HOME, else ~/.cache).
func CacheDirectory() (string, error) {
	if directory := os.Getenv("FLOWFLEET_CACHE"); directory != "" {
		return filepath.Abs(directory)
	}
	directory, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for a cache (set FLOWFLEET_CACHE): %w", err)
	}
	return filepath.Join(directory, "flowfleet"), nil
}

// platform is what the Go command adds to what determines a binary.
type platform string

func readPlatform(ctx context.Context) (platform, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOOS", "GOARCH").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	return platform(strings.Join(strings.Fields(string(out)), " ")), nil
}

// key is a hash of all that determines the binary of program.
func key(module string, program Program, arguments []string, platform platform) (string, error) {
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\ncgo %s\n%q\n", platform, cgo(program), arguments)
	entries, err := os.ReadDir(module) // go.mod, go.sum, and for some a main package of our own
	if err != nil {
		return "", err
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			continue
		}
		content, err := os.ReadFile(filepath.Join(module, entry.Name()))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %d\n%s", entry.Name(), len(content), content)
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}

// pinned returns the version at which the module requires the one that holds the package.
func pinned(module, pkg string) (string, error) {
	path := filepath.Join(module, "go.mod")
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	file, err := modfile.Parse(path, content, nil)
	if err != nil {
		return "", err
	}
	version, longest := "", 0
	for _, require := range file.Require {
		path := require.Mod.Path
		if (pkg == path || strings.HasPrefix(pkg, path+"/")) && len(path) > longest {
			version, longest = require.Mod.Version, len(path)
		}
	}
	if version == "" {
		return "", fmt.Errorf("%s requires no module that holds %s", path, pkg)
	}
	return version, nil
}

// gather makes the directory with a link to each of the programs, which is named after what it holds.
func (b *Builder) gather(paths map[string]string) (string, error) {
	hash := sha256.New()
	names := slices.Sorted(maps.Keys(paths))
	for _, name := range names {
		fmt.Fprintln(hash, paths[name])
	}
	directory := filepath.Join(b.Cache, "set-"+hex.EncodeToString(hash.Sum(nil))[:16])
	if info, err := os.Stat(directory); err == nil && info.IsDir() {
		return directory, nil
	}
	temporary, err := os.MkdirTemp(b.Cache, "set-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(temporary) }() // in vain after the rename
	if err := os.Chmod(temporary, 0o755); err != nil {
		return "", err
	}
	for _, name := range names {
		target, err := filepath.Rel(b.Cache, paths[name])
		if err != nil {
			return "", err
		}
		if err := os.Symlink(filepath.Join("..", target), filepath.Join(temporary, name)); err != nil {
			return "", err
		}
	}
	if err := os.Rename(temporary, directory); err != nil && !errors.Is(err, fs.ErrExist) { // another was quicker
		return "", err
	}
	return directory, nil
}
