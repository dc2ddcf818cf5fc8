// Command sink counts datagrams by the address that they came from, and tells over HTTP.
package main

import (
	"encoding/json"
	"log"
	"net"
	"net/http"
	"sync"
)

func main() {
	socket, err := net.ListenPacket("udp", ":2055")
	if err != nil {
		log.Fatal(err)
	}
	var mutex sync.Mutex
	counts := map[string]int{}
	go func() {
		log.Fatal(http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			mutex.Lock()
			defer mutex.Unlock()
			_ = json.NewEncoder(w).Encode(counts)
		})))
	}()
	buffer := make([]byte, 65536)
	for {
		_, from, err := socket.ReadFrom(buffer)
		if err != nil {
			log.Fatal(err)
		}
		mutex.Lock()
		counts[from.(*net.UDPAddr).IP.String()]++
		mutex.Unlock()
	}
}
