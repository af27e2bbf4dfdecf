// The same handler as bare.rs for Go: one dispatch per click and not one check.
package main

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

var (
	dispatches = os.Getenv("GITHUB_API_URL") + "/repos/" + os.Getenv("GITHUB_REPOSITORY") + "/dispatches"
	// By itself Go keeps only two idle connections to a host.
	client = &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 256},
		Timeout:   4 * time.Second,
	}
)

func dispatch(body io.Reader, length int64) (int, error) {
	request, err := http.NewRequest("POST", dispatches, body)
	if err != nil {
		return 0, err
	}
	request.ContentLength = length
	request.Header.Set("Authorization", "Bearer "+os.Getenv("GITHUB_TOKEN"))
	request.Header.Set("Accept", "application/vnd.github+json")
	request.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	request.Header.Set("User-Agent", "go-twin")
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode, response.Body.Close()
}

func answer(response http.ResponseWriter, status int, outcome string) {
	response.Header().Set("Content-Type", "application/json")
	response.Header().Set("CARD-ACTION-STATUS", outcome)
	response.WriteHeader(status)
	_ = json.NewEncoder(response).Encode(map[string]string{"outcome": outcome, "message": outcome})
}

func click(response http.ResponseWriter, request *http.Request) {
	if request.Method == "GET" {
		answer(response, 200, "ready")
		return
	}
	status, err := dispatch(request.Body, request.ContentLength)
	if err != nil || status != 204 {
		log.Print(status, err)
		answer(response, 502, "refused")
		return
	}
	answer(response, 200, "dispatched")
}

func main() {
	address := "127.0.0.1:" + os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT")
	log.Fatal(http.ListenAndServe(address, http.HandlerFunc(click)))
}
