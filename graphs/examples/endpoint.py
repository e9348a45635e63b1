"""An endpoint of a chat model: anything that speaks OpenAI's chat-completions protocol."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

if TYPE_CHECKING:
    import httpx

Message = dict[str, Any]

#: How long one answer of the model may take.
TIMEOUT_S = 120.0

_BASE_URL, _KEY, _MODEL = "TREADLE_AGENT_BASE_URL", "OPENAI_API_KEY", "TREADLE_AGENT_MODEL"
#: What a message may have on its way to the model; ids and other keys are the state's own.
_SENT = ("role", "content", "name", "tool_calls", "tool_call_id")
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_TRANSIENT = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_MAX_EXCERPT = 300


class _Function(BaseModel):
    model_config = ConfigDict(extra="allow")

    name: str
    #: JSON, as the model wrote it: whoever calls the function has to check it.
    arguments: str = ""


class _ToolCall(BaseModel):
    model_config = ConfigDict(extra="allow")  # some models want to see again what they put in here

    id: str
    type: Literal["function"] = "function"
    function: _Function


class _Answer(BaseModel):
    content: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(BaseModel):
    message: _Answer


class _Completion(BaseModel):
    choices: Annotated[list[_Choice], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is asked, and which one."""

    base_url: str
    key: str = field(repr=False)
    model: str

    @classmethod
    def from_environment(cls) -> Self:
        """Return the endpoint that the environment names.

        Raises:
            RuntimeError: a variable is missing.
            ValueError: the base URL or the key is not usable.
        """
        base_url, key, model = (_required(name) for name in (_BASE_URL, _KEY, _MODEL))
        if "@" in base_url or not (key.isascii() and key.isprintable()):  # an error further on would quote the secret
            raise ValueError(f"{_KEY} is plain ASCII, and the only place for a key: {_BASE_URL} has none.")
        if not base_url.startswith(("http://", "https://")):
            raise ValueError(f"{_BASE_URL} is {base_url!r}: write a URL such as https://api.openai.com/v1.")
        return cls(base_url.rstrip("/"), key, model)

    def complete(self, messages: Sequence[Message], tools: Sequence[Mapping[str, object]], request_id: str) -> Message:
        """Return the model's next message: text, or the calls of tools that it asks for.

        Args:
            messages: the conversation so far.
            tools: what the model may call.
            request_id: the same for every attempt at this request, for endpoints that know the Idempotency-Key.

        Raises:
            ConnectionError: the endpoint did not answer, or cannot answer now; another attempt may succeed.
            PermissionError: the endpoint refuses the key.
            ValueError: the endpoint refuses the request, or does not speak the protocol.
        """
        httpx = _httpx()
        sent = [{key: message[key] for key in _SENT if key in message} for message in messages]
        try:
            response = httpx.post(
                f"{self.base_url}/chat/completions",
                json={"model": self.model, "messages": sent, "tools": tools},
                headers={"Authorization": f"Bearer {self.key}", "Idempotency-Key": request_id},
                timeout=TIMEOUT_S,
            )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ValueError(f"{_BASE_URL} is {self.base_url!r}, which is no usable URL: {error}") from error
        except httpx.RequestError as error:
            raise ConnectionError(f"{self.base_url} did not answer: {error!r}") from error
        self._check(response)
        return self._message(response)

    def _check(self, response: "httpx.Response") -> None:
        status = response.status_code
        answer = f"{self.base_url} answered {status}: {response.text[:_MAX_EXCERPT]!r}."
        if status in _REFUSED:
            raise PermissionError(f"{answer} Set {_KEY} to a key that may use model {self.model!r}.")
        if status in _TRANSIENT or response.is_server_error:
            raise ConnectionError(answer)
        if not response.is_success:
            raise ValueError(f"{answer} Check {_BASE_URL} and {_MODEL} ({self.model!r}).")

    def _message(self, response: "httpx.Response") -> Message:
        try:
            answer = _Completion.model_validate_json(response.content).choices[0].message
        except ValidationError as error:
            raise ValueError(
                f"{self.base_url} does not speak the chat-completions protocol, check {_BASE_URL}. "
                f"It answered: {response.text[:_MAX_EXCERPT]!r}"
            ) from error
        calls = {"tool_calls": [call.model_dump() for call in answer.tool_calls]} if answer.tool_calls else {}
        return {"role": "assistant", "content": answer.content, **calls}


def _required(name: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise RuntimeError(
            f"{name} is not set where the node runs: the agent needs {_BASE_URL} (for example "
            f"https://api.openai.com/v1), {_MODEL} and {_KEY} (any text, for a server that asks for none)."
        )
    return value


def _httpx() -> ModuleType:
    try:
        import httpx
    except ImportError as error:
        raise ImportError("The agent needs httpx: pip install 'treadle[agent]'.") from error
    return httpx
