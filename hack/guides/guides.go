// Package guides reads what users read, for tests that hold it against the code.
package guides

import (
	"os"
	"path/filepath"
	"testing"
)

// Pages returns README, CHANGELOG, the pages of docs/, and the chart's README and NOTES: their texts by path, from the top of the project.
func Pages(t testing.TB) map[string]string {
	t.Helper()
	root := root(t)
	pages := map[string]string{}
	for _, pattern := range []string{"README.md", "CHANGELOG.md", "docs/*.md", "charts/flowfleet/README.md", "charts/flowfleet/templates/NOTES.txt"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("looking for %s: %v, %d files", pattern, err, len(files))
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			page, err := filepath.Rel(root, file)
			if err != nil {
				t.Fatal(err)
			}
			pages[page] = string(text)
		}
	}
	return pages
}

// root is the directory that has go.mod, as seen from a test's package.
func root(t testing.TB) string {
	t.Helper()
	directory := "."
	for range 10 {
		if _, err := os.Stat(filepath.Join(directory, "go.mod")); err == nil {
			return directory
		}
		directory = filepath.Join("..", directory)
	}
	t.Fatal("no directory above this test has go.mod")
	return ""
}
