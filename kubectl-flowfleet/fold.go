package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/term"
)

const (
	// cellGap is what stands between two cells of a table at the least.
	cellGap = "  "
	// narrowest is how wide a column is in which text is folded; where less is left, the text begins on a line of its own.
	narrowest = 24
	// ownLine is how far text is then indented.
	ownLine = 4
)

// forTerminal is out, or, where that is a terminal, what folds the lines of tables that are too wide for it.
func forTerminal(out io.Writer) io.Writer {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(file.Fd()) {
		return out
	}
	width, _, err := term.GetSize(file.Fd())
	if err != nil || width < 2*narrowest {
		return out
	}
	return &folding{out: out, width: width}
}

// folding folds the text in the last column of tables at spaces. Lines whose last cell is one word, and headings, stay as they
// are.
type folding struct {
	out   io.Writer
	width int
	// begun is a line whose end has not come.
	begun []byte
}

// Write implements io.Writer. Each line is written when its end has come.
func (f *folding) Write(b []byte) (int, error) {
	f.begun = append(f.begun, b...)
	for {
		end := bytes.IndexByte(f.begun, '\n')
		if end < 0 {
			return len(b), nil
		}
		line := fold(string(f.begun[:end]), f.width)
		f.begun = f.begun[end+1:]
		if _, err := io.WriteString(f.out, line+"\n"); err != nil {
			return 0, err
		}
	}
}

// fold returns a line of a table as lines of a width, in characters.
func fold(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	start := strings.LastIndex(line, cellGap) + len(cellGap)
	if start < len(cellGap) {
		start = 0
	}
	words := wordsOf(line[start:])
	if isHeading(line) || len(words) < 2 {
		return line
	}
	var folded strings.Builder
	folded.WriteString(line[:start])
	indent := utf8.RuneCountInString(line[:start])
	at := indent
	if indent > width-narrowest {
		indent, at = ownLine, width
	}
	for i, word := range words {
		n := utf8.RuneCountInString(word)
		switch {
		case i > 0 && at+1+n <= width:
			folded.WriteByte(' ')
			at++
		case i > 0 || at == width:
			folded.WriteString("\n" + strings.Repeat(" ", indent))
			at = indent
		}
		folded.WriteString(word)
		at += n
	}
	return folded.String()
}

// isHeading reports whether a line is that of a table's columns: it has letters, and all of them are capitals.
func isHeading(line string) bool {
	letters := false
	for _, r := range line {
		if unicode.IsLetter(r) {
			if !unicode.IsUpper(r) {
				return false
			}
			letters = true
		}
	}
	return letters
}

// wordsOf are the words of a text. A command of kubectl's is one word, so that it can be copied as it stands.
func wordsOf(text string) (words []string) {
	command := false
	for word := range strings.FieldsSeq(text) {
		if command {
			words[len(words)-1] += " " + word
		} else {
			words = append(words, word)
		}
		begins := strings.TrimLeft(word, `"(`) == "kubectl"
		command = (command || begins) && !strings.ContainsAny(word[len(word)-1:], `;,:")`)
	}
	return words
}
