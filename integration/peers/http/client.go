// client.go - asks a PlugKit server as Go's net/http does: client SOCKET. Prints one JSON object.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

type answer struct {
	Status  int         `json:"status"`
	Headers http.Header `json:"headers"`
	Length  int64       `json:"length"`
	Size    int         `json:"size"`
	Body    string      `json:"body"`
}

func main() {
	dials := 0
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			dials++
			return (&net.Dialer{}).DialContext(ctx, "unix", os.Args[1])
		},
		ExpectContinueTimeout: 5 * time.Second,
	}
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	out := map[string]any{}

	ask := func(name, method, path string, body io.Reader, headers ...string) {
		request, err := http.NewRequest(method, "http://unix"+path, body)
		if err != nil {
			fail(err)
		}
		for i := 0; i+1 < len(headers); i += 2 {
			request.Header.Set(headers[i], headers[i+1])
		}
		response, err := client.Do(request)
		if err != nil {
			fail(fmt.Errorf("%s: %w", name, err))
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			fail(fmt.Errorf("%s: %w", name, err))
		}
		short := string(text)
		if len(short) > 1000 {
			short = short[:1000]
		}
		out[name] = answer{response.StatusCode, response.Header, response.ContentLength, len(text), short}
	}

	ask("get", "GET", "/healthz", nil)
	ask("head", "HEAD", "/file", nil)
	ask("echo", "POST", "/echo", strings.NewReader(`{"a":1}`), "Content-Type", "application/json")
	reader, writer := io.Pipe() // no length: chunked
	go func() {
		for i := 0; i < 100; i++ {
			fmt.Fprint(writer, strings.Repeat("x", 1700))
		}
		writer.Close()
	}()
	ask("chunked", "POST", "/upload", reader)
	ask("expected", "POST", "/echo", strings.NewReader("hello"), "Expect", "100-continue")
	ask("stream", "GET", "/stream?3000000", nil)
	ask("empty", "GET", "/status/204", nil)
	ask("unchanged", "GET", "/status/304", nil)
	ask("missing", "GET", "/nope", nil)
	ask("wrong", "DELETE", "/echo", nil)
	out["dials"] = dials
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
