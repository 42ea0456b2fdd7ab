// go-processor - packs data with gzip. A plugin in plain Go: no SDK, nothing but the standard library.
//
// The upper half is the work, the lower half is the protocol (plugkit/1): a host starts this program with a socket as
// descriptor 3. One line of JSON comes in and tells where to listen and which token the requests will carry; two lines
// go out; from then on the host makes HTTP requests. When descriptor 3 ends, the host is gone, and so are we.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const capabilities = `{"types":{"dataProcessor":[{"type":"go-processor","jsonSchema":"{\"type\":\"object\",` +
	`\"properties\":{\"level\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":9}}}"}]},"configTypes":[],` +
	`"protocols":["plugkit/1"],"contracts":{"dataProcessor":"1.0.0"},` +
	`"methods":{"dataProcessor":{"process":"POST /process","formats":"GET /formats"}},"version":"1.0.0"}`

const maxBody = 8 << 20 // bytes

// refused is a request that cannot be carried out: a status, and a sentence for people.
type refused struct {
	status  int
	message string
}

func (r refused) Error() string { return r.message }

// ---- the work

type processRequest struct {
	Data   *[]byte `json:"data"`
	Config struct {
		Level *int `json:"level"`
	} `json:"config"`
}

type processResponse struct {
	Data     []byte         `json:"data"`
	Format   string         `json:"format"`
	Metadata map[string]any `json:"metadata"`
}

func process(body []byte) (any, error) {
	var request processRequest
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, refused{http.StatusBadRequest, "cannot pack: " + err.Error()}
	}
	if request.Data == nil {
		return nil, refused{http.StatusBadRequest, "cannot pack: 'data' is missing"}
	}
	level := gzip.DefaultCompression
	if request.Config.Level != nil {
		level = *request.Config.Level
		if level < gzip.BestSpeed || level > gzip.BestCompression {
			return nil, refused{http.StatusBadRequest, fmt.Sprintf("cannot pack: 'level' must be 1 to 9, not %d", level)}
		}
	}
	var packed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&packed, level)
	if err != nil {
		return nil, err
	}
	if _, err := writer.Write(*request.Data); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return processResponse{packed.Bytes(), "application/gzip", map[string]any{
		"size": len(*request.Data), "packed": packed.Len(),
	}}, nil
}

// ---- the protocol

type start struct {
	Token  string `json:"token"`
	Listen string `json:"listen"`
}

// server answers the host's requests. end is called when one of them was /shutdown.
type server struct {
	token string
	end   func()
}

func (s server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	value, err := s.route(w, r)
	var no refused
	switch {
	case errors.As(err, &no):
		answer(w, no.status, map[string]any{"message": no.message, "statusCode": no.status})
	case err != nil:
		answer(w, http.StatusInternalServerError, map[string]any{"message": err.Error(), "statusCode": 500})
	default:
		answer(w, http.StatusOK, value)
		if r.URL.Path == "/shutdown" {
			s.end()
		}
	}
}

func (s server) route(w http.ResponseWriter, r *http.Request) (any, error) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("PlugKit-Token")), []byte(s.token)) != 1 {
		return nil, refused{http.StatusUnauthorized, "the token is missing or wrong"}
	}
	verb, known := map[string]string{
		"/process": "POST", "/formats": "GET", "/healthz": "GET", "/shutdown": "POST",
	}[r.URL.Path]
	if !known {
		return nil, refused{http.StatusNotFound, "there is no '" + r.URL.Path + "'"}
	}
	if r.Method != verb && !(r.Method == "HEAD" && r.URL.Path == "/healthz") {
		return nil, refused{http.StatusMethodNotAllowed, "'" + r.URL.Path + "' takes " + verb + " only"}
	}
	switch r.URL.Path {
	case "/process":
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			return nil, refused{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body may have %d bytes", maxBody)}
		}
		return process(body)
	case "/formats":
		return map[string][]string{"formats": {"application/octet-stream", "text/plain"}}, nil
	}
	return nil, nil
}

func answer(w http.ResponseWriter, status int, value any) {
	var body []byte
	if value != nil {
		body, _ = json.Marshal(value)
		w.Header().Set("Content-Type", "application/json")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// listen opens what the host asked for: a Unix socket in its private folder, or a port of the loopback.
func listen(address string) (net.Listener, string, error) {
	if path, isUnix := strings.CutPrefix(address, "http+unix://"); isUnix {
		syscall.Umask(0o077) // nobody else may connect
		listener, err := net.Listen("unix", path)
		return listener, address, err
	}
	if address == "" {
		address = "http://127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		return nil, "", err
	}
	return listener, "http://" + listener.Addr().String(), nil
}

func serve(control *os.File) error {
	lines := bufio.NewReader(control)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("the host said nothing: %w", err)
	}
	var begin start
	if err := json.Unmarshal(line, &begin); err != nil {
		return err
	}
	listener, location, err := listen(begin.Listen)
	if err != nil {
		return err
	}
	done, end := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	go func() { // the host's end, or what a later version of the protocol may say
		_, _ = io.Copy(io.Discard, lines)
		end()
	}()
	defer listener.Close() // removes the socket, also if serving has not begun yet
	web := &http.Server{Handler: server{begin.Token, end}, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = web.Serve(listener) }()

	where, _ := json.Marshal(location)
	if _, err := fmt.Fprintf(control, "{\"listening\":%s}\n{\"ready\":true}\n", where); err != nil {
		return err
	}
	log("INFO", "ready", "location", location)
	<-done.Done()
	grace, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = web.Shutdown(grace) // lets running requests end
	return nil
}

// log writes a record to stderr: one JSON object a line, which the host takes apart again.
func log(level, message, key, value string) {
	record, _ := json.Marshal(map[string]string{"level": level, "msg": message, key: value})
	fmt.Fprintln(os.Stderr, string(record))
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "capabilities" {
		fmt.Println(capabilities)
		return
	}
	if os.Getenv("PLUGKIT_PROTOCOL") != "plugkit/1" {
		fmt.Fprintln(os.Stderr, "go-processor is a plugin: a PlugKit host starts it. Try: go-processor capabilities")
		os.Exit(2)
	}
	number, err := strconv.Atoi(os.Getenv("PLUGKIT_CONTROL_FD"))
	if err != nil {
		number = 3
	}
	control := os.NewFile(uintptr(number), "control")
	if err := serve(control); err != nil {
		_ = json.NewEncoder(control).Encode(map[string]string{"error": "cannot serve: " + err.Error()})
		os.Exit(1)
	}
}
