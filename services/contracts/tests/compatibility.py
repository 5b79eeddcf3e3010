"""Finds changes that break consumers: guarantees of the old contract that the new one lacks."""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor, FileDescriptor


def schema_breaks(old: dict[str, Any], new: dict[str, Any], path: str = "") -> list[str]:
    """Return the breaks between two versions of an event's JSON Schema, from the consumer's perspective."""
    breaks: list[str] = []
    if old.get("type") != new.get("type"):
        return [f"{path}: type changed from {old.get('type')} to {new.get('type')}"]
    breaks += [
        f"{path}: {name} is no longer guaranteed"
        for name in sorted(set(old.get("required", ())) - set(new.get("required", ())))
        if name in new.get("properties", {})
    ]
    if "enum" in old and not set(new.get("enum", ())) <= set(old["enum"]):
        breaks.append(f"{path}: new values {sorted(set(new.get('enum', ())) - set(old['enum']))}")
    if "const" in old and old["const"] != new.get("const"):
        breaks.append(f"{path}: no longer {old['const']}")
    for name, sub_schema in old.get("properties", {}).items():
        sub_path = f"{path}.{name}" if path else name
        if name not in new.get("properties", {}):
            breaks.append(f"{sub_path}: removed")
        else:
            breaks += schema_breaks(sub_schema, new["properties"][name], sub_path)
    if "items" in old:
        breaks += schema_breaks(old["items"], new.get("items", {}), f"{path}[]")
    return breaks


def proto_surface(file: FileDescriptor) -> dict[str, str]:
    """Return everything that is on the wire of a proto file, as {path: description}. Additions are compatible."""
    surface: dict[str, str] = {}
    for service in file.services_by_name.values():
        for method in service.methods:
            surface[f"{service.full_name}/{method.name}"] = (
                f"({method.input_type.full_name}) returns ({method.output_type.full_name})"
            )
    for message in file.message_types_by_name.values():
        for field in message.fields:
            surface[f"{message.full_name}#{field.number}"] = f"{field.name}: {_type(field)}"
    for enum in file.enum_types_by_name.values():
        for value in enum.values:
            surface[f"{enum.full_name}={value.number}"] = value.name
    return surface


def _type(field: FieldDescriptor) -> str:
    names = {number: name for name, number in vars(FieldDescriptor).items() if name.startswith("TYPE_")}
    if field.message_type is not None:
        kind = field.message_type.full_name
    elif field.enum_type is not None:
        kind = field.enum_type.full_name
    else:
        kind = names[field.type].removeprefix("TYPE_").lower()
    return f"repeated {kind}" if field.is_repeated else kind


def surface_breaks(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Return what the old surface had and the new one lacks or changed."""
    return [
        f"{path}: was {what}, now {new.get(path, 'removed')}" for path, what in old.items() if new.get(path) != what
    ]
