package report

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// Archive is a report that is being written. It is not safe for concurrent use.
type Archive struct {
	gz       *gzip.Writer
	tar      *tar.Writer
	folder   string
	now      time.Time
	contents []string
	missing  []string
	err      error
}

// NewArchive begins a report, whose files are in one folder.
func NewArchive(w io.Writer, folder string, now time.Time) *Archive {
	gz := gzip.NewWriter(w)
	return &Archive{gz: gz, tar: tar.NewWriter(gz), folder: folder, now: now}
}

// AddObjects puts objects of the API into the report as YAML, without their secrets.
func (a *Archive) AddObjects(name string, objects []any, err error) {
	var text bytes.Buffer
	for _, o := range objects {
		fields, e := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
		if e == nil {
			var b []byte
			b, e = yaml.Marshal(Object(fields))
			text.WriteString("---\n")
			text.Write(b)
		}
		err = errors.Join(err, e)
	}
	a.add(name, text.Bytes(), err)
}

// AddText puts a text into the report, without its secrets; where it could not be had, or not all of it, the report says why.
func (a *Archive) AddText(name string, content []byte, err error) {
	a.add(name, []byte(Text(string(content))), err)
}

func (a *Archive) add(name string, content []byte, err error) {
	if err != nil {
		a.missing = append(a.missing, fmt.Sprintf("%s: %s", name, strings.ReplaceAll(Text(err.Error()), "\n", "; ")))
	}
	if err != nil && len(content) == 0 {
		return
	}
	a.contents = append(a.contents, name)
	a.write(name, content)
}

func (a *Archive) write(name string, content []byte) {
	header := &tar.Header{Name: a.folder + "/" + name, Mode: 0o600, Size: int64(len(content)), ModTime: a.now, Typeflag: tar.TypeReg}
	if a.err == nil {
		a.err = a.tar.WriteHeader(header)
	}
	if a.err == nil {
		_, a.err = a.tar.Write(content)
	}
}

// Missing are the files that could not be had, with the reasons.
func (a *Archive) Missing() []string { return a.missing }

// Close adds the list of contents, under an introduction, and ends the archive.
func (a *Archive) Close(introduction string) error {
	text := introduction + "\n\nFiles:\n  " + strings.Join(a.contents, "\n  ") + "\n"
	if len(a.missing) > 0 {
		text += "\nMissing:\n  " + strings.Join(a.missing, "\n  ") + "\n"
	}
	a.write("README.txt", []byte(text))
	return errors.Join(a.err, a.tar.Close(), a.gz.Close())
}
