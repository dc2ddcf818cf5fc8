//go:build !race

package lives

const raceDetector = false
